// Comparisons with thresholds of any kind, as of real numbers, and threshold values of images, the same at every level.

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "pixels.hpp"
#include "rapidmask/threshold.hpp"
#include "rapidmask/threshold_values.hpp"

namespace rapidmask::fuzz {
namespace {

template <class T, class Value>
void compare_with_array(Input& input, const Array<T>& pixels, DType dtype, DType value_dtype, std::int64_t n,
                        std::int64_t h, std::int64_t w) {
  const bool per_pixel = input.flag(), one_for_all = per_pixel && input.flag(), strict = input.flag();
  const std::int64_t count = per_pixel ? (one_for_all ? 1 : n) * h * w : n;
  const auto limits = any_values<Value>(input, count, std::max<std::int64_t>(1, w));
  ThresholdValue value{};
  value.kind = per_pixel ? ThresholdValue::Kind::per_pixel : ThresholdValue::Kind::per_image;
  value.array = per_pixel ? Image{limits.data(), value_dtype, one_for_all ? 1 : n, h, w}
                          : Image{limits.data(), value_dtype, n, 1, 1};
  Bytes wanted;
  for (std::int64_t k = 0; k < n * h * w; ++k) {
    const std::int64_t at = !per_pixel ? k / (h * w) : one_for_all ? k % (h * w) : k;
    wanted.push_back(above(real(pixels[k]), real(limits[at]), strict));
  }
  at_every_level("a comparison with an array", [&] {
    for (const bool packed : {false, true}) {
      MaskArray own(packed, n, 1, h, w);
      cpu::threshold({}, {pixels.data(), dtype, n, h, w}, value,
                     strict ? Comparison::greater : Comparison::greater_equal,
                     {packed ? nullptr : own.dense.data(), packed ? own.words.data() : nullptr});
      expect(own.is(wanted), "a comparison with an array");
    }
    return true;
  });
}

template <class T>
void compare_threshold(Input& input, DType dtype) {
  const std::int64_t n = input.below(4), h = input.extent(40), w = input.extent_beside(h, 600, 3000);
  const auto kind = input.below(6);
  const bool strict = input.flag();
  ThresholdValue value{};
  value.kind = ThresholdValue::Kind::scalar;
  value.is_integer = kind == 1;
  value.scalar = input.flag() ? static_cast<double>(input.between(-300, 300)) / 2 : input.number();
  const auto whole = static_cast<std::int64_t>(input.bits(8));
  value.integer = input.flag() ? static_cast<Int128>(static_cast<std::uint64_t>(whole)) : static_cast<Int128>(whole);
  const auto pixels = any_values<T>(input, n * h * w, std::max<std::int64_t>(1, w));
  if (kind == 2) return compare_with_array<T, float>(input, pixels, dtype, DType::float32, n, h, w);
  if (kind == 3) return compare_with_array<T, double>(input, pixels, dtype, DType::float64, n, h, w);
  if (kind == 4) return compare_with_array<T, std::int64_t>(input, pixels, dtype, DType::int64, n, h, w);
  if (kind == 5) return compare_with_array<T, std::uint64_t>(input, pixels, dtype, DType::uint64, n, h, w);
  const long double limit = value.is_integer ? static_cast<long double>(value.integer) : value.scalar;
  Bytes wanted;
  for (const T& x : pixels) wanted.push_back(above(real(x), limit, strict));
  at_every_level("a comparison", [&] {
    for (const bool packed : {false, true}) {
      MaskArray own(packed, n, 1, h, w);
      cpu::threshold({}, {pixels.data(), dtype, n, h, w}, value,
                     strict ? Comparison::greater : Comparison::greater_equal,
                     {packed ? nullptr : own.dense.data(), packed ? own.words.data() : nullptr});
      expect(own.is(wanted), "a comparison");
    }
    return true;
  });
}

struct FoundValues {
  std::optional<Array<double>> values;  // none where the image has none

  bool operator==(const FoundValues& other) const {
    return values.has_value() == other.values.has_value() && (!values.has_value() || *values == *other.values);
  }
};

template <class T>
void compare_values(Input& input, DType dtype) {
  const std::int64_t n = input.below(3), h = input.extent(40), w = input.extent_beside(h, 300, 3000);
  const auto kind = input.below(9);
  const int classes = static_cast<int>(input.between(2, 4));
  const bool several = kind >= 7;
  const auto pixels = any_values<T>(input, n * h * w, std::max<std::int64_t>(1, w));
  const Image image{pixels.data(), dtype, n, h, w};
  const auto [found] = at_every_level("a threshold value", [&] {
    const auto find = [&](bool checks, double* values) {
      if (several) {
        cpu::threshold_multiotsu({}, image, classes, checks, values);
      } else {
        cpu::threshold_value({}, static_cast<ThresholdMethod>(kind), image, checks, values);
      }
    };
    Array<double> own(several ? n * (classes - 1) : n), unchecked(own.size());
    try {
      find(true, own.data());
    } catch (const std::invalid_argument&) {
      return FoundValues{};
    }
    find(false, unchecked.data());
    expect(unchecked == own, "the same values, checked or not");
    return FoundValues{std::move(own)};
  });
  if (!found.has_value()) return;
  for (std::int64_t k = 0; k < found->size(); ++k) {
    const T* first = pixels.data() + k / (several ? classes - 1 : 1) * h * w;
    const auto less = [](T a, T b) { return real(a) < real(b); };
    const auto [least, most] = std::minmax_element(first, first + h * w, less);
    const auto low = static_cast<double>(real(*least)), high = static_cast<double>(real(*most));
    if (!(std::max(std::abs(low), std::abs(high)) < 1e300)) continue;  // sums overflow, as NumPy's do
    // A constant float image's bin begins half below it.
    expect((*found)[k] >= low - 0.5 - std::abs(low) * 1e-6 && (*found)[k] <= high + 0.5 + std::abs(high) * 1e-6,
           "a threshold within the image's range");
  }
}

template <class T>
void compare(Input& input, DType dtype) {
  if (input.flag()) return compare_threshold<T>(input, dtype);
  compare_values<T>(input, dtype);
}

}  // namespace

void run(Input& input) {
  switch (input.below(12)) {
    case 0: return compare<std::int8_t>(input, DType::int8);
    case 1: return compare<std::uint16_t>(input, DType::uint16);
    case 2: return compare<std::int16_t>(input, DType::int16);
    case 3: return compare<std::uint32_t>(input, DType::uint32);
    case 4: return compare<std::int32_t>(input, DType::int32);
    case 5: return compare<std::uint64_t>(input, DType::uint64);
    case 6: return compare<std::int64_t>(input, DType::int64);
    case 7: return compare<Half>(input, DType::float16);
    case 8: return compare<BFloat16>(input, DType::bfloat16);
    case 9: return compare<float>(input, DType::float32);
    case 10: return compare<double>(input, DType::float64);
    default: return compare<std::uint8_t>(input, DType::uint8);
  }
}

}  // namespace rapidmask::fuzz
