// The watershed on the CPU, image by image over the pool.

#include "rapidmask/watershed.hpp"

#include "flood.hpp"
#include "parallel.hpp"
#include "rapidmask/components.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 10;

template <class T>
void check_marker(T marker) {
  using Limits = std::numeric_limits<std::int32_t>;
  bool fits = true;
  if constexpr (std::is_unsigned_v<T>) {
    fits = marker <= static_cast<std::uint32_t>(Limits::max());
  } else {
    fits = marker >= Limits::min() && marker <= Limits::max();
  }
  if (!fits) {
    throw std::invalid_argument("watershed: markers must be between -2147483648 and 2147483647, got " +
                                std::to_string(marker));
  }
}

bool holds(const Masks& mask, std::int64_t row, std::int64_t x) {
  if (mask.data == nullptr) return true;
  if (!mask.packed) return mask.data[row * mask.w + x] != 0;
  return (mask.bits().data[row * mask.words() + x / 64] >> x % 64 & 1) != 0;
}

// Takes the markers and the mask of image i.
template <class Key, class T>
void take_markers(const WatershedInput& input, std::int64_t i, const Frame& frame, Basin<Key>& basin) {
  const T* markers = static_cast<const T*>(input.markers.data) + i * frame.d * frame.h * frame.w;
  frame.each_row([&](std::int64_t first, std::int64_t at) {
    const std::int64_t row = i * frame.d * frame.h + first / frame.w;
    for (std::int64_t x = 0; x < frame.w; ++x) {
      if (!holds(input.mask, row, x)) continue;
      const T marker = markers[first + x];
      if constexpr (!std::is_same_v<T, std::int32_t>) check_marker(marker);
      const auto pixel = static_cast<std::size_t>(at + x);
      if (marker != 0) {
        basin.labels[pixel] = static_cast<std::int32_t>(marker);
        basin.marked.push_back(static_cast<std::uint32_t>(pixel));
      } else {
        basin.free.set(pixel);
        ++basin.free_count;
      }
    }
  });
}

// Finds the components of the mask of image i that the marked pixels are in.
template <class Key>
void find_parts(const WatershedInput& input, std::int64_t i, const Frame& frame, Basin<Key>& basin) {
  const Masks mask{input.mask.mask(i), input.mask.packed, 1, frame.d, frame.h, frame.w};
  std::vector<std::int32_t> parts(static_cast<std::size_t>(mask.pixels()));
  std::int64_t count = 0;
  label({}, mask, input.connectivity, parts.data(), &count);
  if (count <= 1) return;
  basin.part.reserve(basin.marked.size());
  auto marked = basin.marked.begin();
  frame.each_row([&](std::int64_t first, std::int64_t at) {
    for (; marked != basin.marked.end() && *marked < at + frame.w; ++marked) {
      basin.part.push_back(parts[static_cast<std::size_t>(first + *marked - at)]);
    }
  });
}

template <class Key, class T, class Function>
Basin<Key> make_basin(const T* image, const Frame& frame, const Function& key) {
  Basin<Key> basin(frame);
  frame.each_row([&](std::int64_t first, std::int64_t at) {
    Key* keys = basin.keys.data() + at;
    for (std::int64_t x = 0; x < frame.w; ++x) keys[x] = key(image[first + x]);
  });
  return basin;
}

template <class Key>
void flood(Basin<Key> basin, const Frame& frame, const WatershedInput& input, std::int64_t i,
           const ListOfKey<Key>& of_key, std::int32_t* labels) {
  visit_dtype(input.markers.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (std::is_integral_v<T>) take_markers<Key, T>(input, i, frame, basin);
  });
  if (basin.free_count != 0 && !basin.marked.empty()) {
    if (input.mask.data != nullptr) find_parts(input, i, frame, basin);
    if (is_volume(input.connectivity)) {
      Flood<Key, 9>(basin, {input.connectivity, frame}, of_key).run();
    } else {
      Flood<Key, 3>(basin, {input.connectivity, frame}, of_key).run();
    }
  }
  frame.each_row(
      [&](std::int64_t first, std::int64_t at) { std::copy_n(basin.labels.data() + at, frame.w, labels + first); });
}

// Floods an image as one of `Float`.
template <class Float, class T, class Function>
void flood_floats(const T* image, const Frame& frame, const WatershedInput& input, std::int64_t i, std::int32_t* labels,
                  const Function& convert) {
  using Key = KeyOfFloat<Float>;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  Basin<Key> basin = make_basin<Key>(image, frame, [&](T pixel) {
    const Float value = convert(pixel);
    if (std::isfinite(value)) {
      low = std::min<double>(low, value);
      high = std::max<double>(high, value);
    }
    return float_key(value);
  });
  flood<Key>(std::move(basin), frame, input, i, ListOfKey<Key>(low, high, frame.size), labels);
}

template <class T>
void flood_image(const T* image, const Frame& frame, const WatershedInput& input, std::int64_t i,
                 std::int32_t* labels) {
  if constexpr (std::is_floating_point_v<T>) {
    flood_floats<T>(image, frame, input, i, labels, [](T x) { return x; });
  } else if constexpr (!std::is_integral_v<T>) {
    flood_floats<float>(image, frame, input, i, labels, [](T x) { return to_float(x); });
  } else {
    using Unsigned = std::make_unsigned_t<T>;
    const auto [low, high] = std::minmax_element(image, image + frame.d * frame.h * frame.w);
    const auto base = static_cast<Unsigned>(*low);
    const auto range = static_cast<Unsigned>(static_cast<Unsigned>(*high) - base);
    constexpr double kExact = 9007199254740992.0;  // 2^53: beyond, float64 does not tell neighbours apart
    const bool exact = static_cast<double>(*low) > -kExact && static_cast<double>(*high) < kExact;
    if (range < kMaxLevels && exact) {
      using Key = std::uint16_t;
      flood<Key>(make_basin<Key>(
                     image, frame,
                     [base](T x) { return static_cast<Key>(static_cast<Unsigned>(static_cast<Unsigned>(x) - base)); }),
                 frame, input, i, ListOfKey<Key>(static_cast<std::size_t>(range) + 1), labels);
    } else {
      using Float = std::conditional_t<sizeof(T) <= 2, float, double>;
      flood_floats<Float>(image, frame, input, i, labels, [](T x) { return static_cast<Float>(x); });
    }
  }
}

}  // namespace

void watershed(const Context&, const WatershedInput& input, std::int32_t* labels) {
  const Image& image = input.image;
  const Frame frame(input.depth, image.h, image.w, is_volume(input.connectivity));
  const std::int64_t size = frame.d * frame.h * frame.w;
  if (size == 0) return;
  visit_dtype(image.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    parallel_for_each(image.size() / size, size, kGrainPixels, [&](std::int64_t i) {
      flood_image(static_cast<const T*>(image.data) + i * size, frame, input, i, labels + i * size);
    });
  });
}

}  // namespace rapidmask::cpu
