// Distances against every background pixel in turn, and floods of markers against a queue as it is defined.

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "input.hpp"
#include "rapidmask/components.hpp"
#include "rapidmask/distance.hpp"
#include "rapidmask/watershed.hpp"

namespace rapidmask::fuzz {
namespace {

double any_step(Input& input) {
  switch (input.below(4)) {
    case 0: return 1;
    case 1: return static_cast<double>(input.between(1, 64)) / 16;
    case 2: return input.pick({1e-37, 1e37, 3e-38, 1e-3, 1e3, 0.1, 2.0, 3.5});
    default: return std::abs(static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(input.bits(4)))));
  }
}

void compare_distances(Input& input) {
  const bool packed = input.flag(), squared = input.flag(), volume = input.byte() % 4 == 0;
  const std::uint8_t foreground = foreground_byte(input);
  const bool long_rows = input.byte() % 8 == 0;
  const std::int64_t n = input.below(3), d = volume ? input.below(6) : 1;
  const std::int64_t h = input.extent(long_rows ? 3 : 60), w = input.extent_beside(h * d, long_rows ? 900 : 130, 1500);
  Spacing spacing{1, 1, 1};
  if (input.flag()) spacing = {any_step(input), any_step(input), any_step(input)};
  if (input.flag()) spacing.z = spacing.y = spacing.x;
  const Bytes pixels = mask_pixels(input, n * d, h, w);
  try {
    check_spacing(spacing);
  } catch (const std::invalid_argument&) {
    return;
  }
  const MaskArray masks(pixels, packed, n, d, h, w, foreground);
  const auto distances = at_every_level("distances", [&] {
    Array<float> own(n * d * h * w);
    cpu::distance_transform({}, masks.view(), spacing, squared, own.data());
    return own;
  });
  const double least = std::min({spacing.z, spacing.y, spacing.x});
  const double most = std::hypot(spacing.z * static_cast<double>(d), spacing.y * static_cast<double>(h),
                                 spacing.x * static_cast<double>(w));
  if (!(most < least * 16777216)) return;
  const DistanceRule rule = distance_rule(masks.view(), spacing, squared);
  const std::int64_t size = d * h * w;
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<std::int64_t> background;
    for (std::int64_t q = 0; q < size; ++q)
      if (pixels[static_cast<std::size_t>(i * size + q)] == 0) background.push_back(q);
    for (std::int64_t p = 0; p < size; ++p) {
      float wanted = 0;
      if (pixels[static_cast<std::size_t>(i * size + p)] != 0) {
        double best = std::numeric_limits<double>::infinity();
        for (const std::int64_t q : background) {
          const auto steps = [](std::int64_t a, std::int64_t b) { return static_cast<double>(a - b); };
          const double along_y = weighted_square(rule.y, steps(p / w % h, q / w % h));
          const double along_x = weighted_square(rule.x, steps(p % w, q % w));
          const double along_z = weighted_square(rule.z, steps(p / (h * w), q / (h * w)));
          best = std::min(best, along_y + along_x + along_z);
        }
        wanted = std::isinf(best) ? std::numeric_limits<float>::infinity() : distance_result(rule, best);
      }
      expect(distances[i * size + p] == wanted, "a distance");
    }
  }
}

struct Waiting {
  bool is_nan;
  double level;
  std::int64_t age, pixel;

  bool before(const Waiting& other) const {
    if (is_nan != other.is_nan) return other.is_nan;
    if (!is_nan && level != other.level) return level < other.level;
    return age < other.age;
  }
};

// The heap of the definition.
class Queue {
 public:
  bool empty() const { return items_.empty(); }
  void push(const Waiting& item) {
    items_.push_back(item);
    for (std::size_t i = items_.size() - 1; i > 0 && items_[i].before(items_[(i - 1) / 2]); i = (i - 1) / 2)
      std::swap(items_[i], items_[(i - 1) / 2]);
  }
  Waiting pop() {
    const Waiting first = items_.front();
    items_.front() = items_.back();
    items_.pop_back();
    for (std::size_t i = 0, child; (child = 2 * i + 1) < items_.size(); i = child) {
      if (child + 1 < items_.size() && items_[child + 1].before(items_[child])) ++child;
      if (!items_[child].before(items_[i])) break;
      std::swap(items_[i], items_[child]);
    }
    return first;
  }

 private:
  std::vector<Waiting> items_;
};

template <class T>
void compare_flood(Input& input, DType dtype) {
  const bool volume = input.byte() % 4 == 0, masked = input.flag(), packed = input.flag();
  const int connectivity = volume ? input.pick({6, 18, 26}) : input.pick({4, 8});
  const std::int64_t n = input.below(3), d = volume ? input.below(6) : 1;
  const std::int64_t h = input.extent(50), w = input.extent_beside(h * d, 130, 2500), size = d * h * w;
  const std::int64_t rarity = input.between(1, 200);
  Noise noise(input);
  Array<std::int32_t> markers(n * size);
  for (auto& marker : markers) marker = noise.below(rarity) == 0 ? static_cast<std::int32_t>(noise.below(9)) - 2 : 0;
  Bytes parameters;
  for (int i = 0; i < 16; ++i) parameters.push_back(input.byte());
  Input for_mask(parameters.data(), parameters.size());
  const Bytes pixels = masked ? mask_pixels(for_mask, n * d, h, w) : Bytes(static_cast<std::size_t>(n * size), 1);
  const MaskArray mask(pixels, packed, n, d, h, w);
  const auto image = values<T>(input, n * size, std::max<std::int64_t>(1, w));
  Masks floodable{};
  if (masked) floodable = mask.view();
  const WatershedInput given{
      {image.data(), dtype, n * d, h, w}, {markers.data(), DType::int32, n * d, h, w}, floodable, d, connectivity};
  Array<std::int32_t> own(n * size);
  cpu::watershed({}, given, own.data());

  std::vector<std::array<int, 3>> steps;
  const int furthest = connectivity == 4 || connectivity == 6 ? 1 : connectivity == 26 ? 3 : 2;
  for (int distance = 1; distance <= furthest; ++distance) {
    for (int k = 0; k < 27; ++k) {
      const std::array<int, 3> step{k / 9 - 1, k / 3 % 3 - 1, k % 3 - 1};
      const int length = std::abs(step[0]) + std::abs(step[1]) + std::abs(step[2]);
      if (length == distance && (volume || step[0] == 0)) steps.push_back(step);
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    std::vector<std::int32_t> labels(static_cast<std::size_t>(size));
    Queue queue;
    const auto item = [&](std::int64_t p, std::int64_t age) {
      double value;
      if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
        value = to_float(image[i * size + p]);
      } else {
        value = static_cast<double>(image[i * size + p]);
      }
      return Waiting{std::isnan(value), value, age, p};
    };
    for (std::int64_t p = 0; p < size; ++p) {
      const std::int32_t marker = markers[i * size + p];
      if (marker == 0 || pixels[static_cast<std::size_t>(i * size + p)] == 0) continue;
      labels[static_cast<std::size_t>(p)] = marker;
      queue.push(item(p, 0));
    }
    for (std::int64_t age = 0; !queue.empty();) {
      const Waiting first = queue.pop();
      const std::int64_t z = first.pixel / (h * w), y = first.pixel / w % h, x = first.pixel % w;
      for (const auto& step : steps) {
        const std::int64_t c = z + step[0], b = y + step[1], a = x + step[2];
        if (c < 0 || c >= d || b < 0 || b >= h || a < 0 || a >= w) continue;
        const std::int64_t q = (c * h + b) * w + a;
        if (labels[static_cast<std::size_t>(q)] != 0 || pixels[static_cast<std::size_t>(i * size + q)] == 0) continue;
        labels[static_cast<std::size_t>(q)] = labels[static_cast<std::size_t>(first.pixel)];
        Waiting next = item(q, ++age);
        if (first.is_nan || (!next.is_nan && next.level < first.level))
          next.is_nan = first.is_nan, next.level = first.level;
        queue.push(next);
      }
    }
    expect(std::equal(labels.begin(), labels.end(), own.data() + i * size), "a flood");
  }
}

}  // namespace

void run(Input& input) {
  if (input.flag()) return compare_distances(input);
  switch (input.below(8)) {
    case 0: return compare_flood<std::int16_t>(input, DType::int16);
    case 1: return compare_flood<float>(input, DType::float32);
    case 2: return compare_flood<double>(input, DType::float64);
    case 3: return compare_flood<Half>(input, DType::float16);
    case 4: return compare_flood<std::int64_t>(input, DType::int64);
    default: return compare_flood<std::uint8_t>(input, DType::uint8);
  }
}

}  // namespace rapidmask::fuzz
