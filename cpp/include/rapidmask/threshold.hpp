// Comparison of images with thresholds: foreground where x > value, or x >= value.
//
// The comparison is exact, as of real numbers, whatever the two types: an integer image is compared with 3.5 as with 3,
// a float32 image with a float64 value without rounding it. (A value that Python gives as a plain number is rounded to
// the image's floating type beforehand, by the binding, because that is what NumPy and torch do with it.) NaN is
// foreground under no threshold and a threshold of NaN has no foreground.
//
// The work per pixel is one comparison in the image's own type: the value is first turned into a Bound<T>, the smallest
// x of that type that is foreground. The two half-width types are compared by integer keys in the same order.
#pragma once

#include <type_traits>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Keys: a type whose built-in order is that of the image's values. NaN of a Half or BFloat16 has a key outside
// [-inf, +inf]; -0 has the key just below that of +0.
template <class T>
struct KeyOf {
  using type = T;
};
template <>
struct KeyOf<Half> {
  using type = std::int16_t;
  static constexpr std::int16_t kInfinity = 0x7c00;
};
template <>
struct KeyOf<BFloat16> {
  using type = std::int16_t;
  static constexpr std::int16_t kInfinity = 0x7f80;
};
template <class T>
using Key = typename KeyOf<T>::type;

template <class T>
inline constexpr bool kIsHalfWidth = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;
template <class T>
inline constexpr bool kIsFloat = std::is_same_v<T, float> || std::is_same_v<T, double>;

RM_HOST_DEVICE std::int16_t half_width_key(std::uint16_t bits) {
  const auto sign = static_cast<std::uint16_t>(static_cast<std::int16_t>(bits) >> 15);
  return static_cast<std::int16_t>(bits ^ (sign & 0x7fffu));
}

// The foreground test of one type: first <= key <= last for integer keys, value < x or value <= x for floats.
template <class T>
struct Bound {
  Key<T> first;
  bool none;  // nothing is foreground
  RM_HOST_DEVICE bool operator()(T x) const {
    if constexpr (kIsHalfWidth<T>) {
      const std::int16_t key = half_width_key(x.bits);
      return key >= first && key <= KeyOf<T>::kInfinity && !none;
    } else {
      return x >= first && !none;
    }
  }
};
template <>
struct Bound<float> {
  float value;
  bool strict;
  RM_HOST_DEVICE bool operator()(float x) const { return strict ? x > value : x >= value; }
};
template <>
struct Bound<double> {
  double value;
  bool strict;
  RM_HOST_DEVICE bool operator()(double x) const { return strict ? x > value : x >= value; }
};

namespace detail {

template <class T>
RM_HOST_DEVICE T type_max() {
  using Unsigned = std::uint64_t;
  constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(1);
  return static_cast<T>((~Unsigned{0}) >> (64 - 8 * sizeof(T) + (is_signed ? 1 : 0)));
}
template <class T>
RM_HOST_DEVICE T type_min() {
  constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(1);
  return is_signed ? static_cast<T>(-type_max<T>() - 1) : T{0};
}

// The largest float that is not above `value`.
RM_HOST_DEVICE float round_down_to_float(double value) {
  const auto nearest = static_cast<float>(value);
  if (!(static_cast<double>(nearest) > value)) return nearest;
  std::uint32_t bits;
  __builtin_memcpy(&bits, &nearest, sizeof bits);
  if (bits << 1 == 0) return float_from_bits(0x80000001u);  // below zero: the smallest negative number
  return float_from_bits((bits >> 31) != 0 ? bits + 1 : bits - 1);
}

// The largest double below one that is neither zero nor infinite.
RM_HOST_DEVICE double next_below(double value) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  bits = (bits >> 63) != 0 ? bits + 1 : bits - 1;
  __builtin_memcpy(&value, &bits, sizeof bits);
  return value;
}

template <class T>
RM_HOST_DEVICE float widen_key(std::int16_t key) {
  return to_float(T{static_cast<std::uint16_t>(key < 0 ? (key ^ 0x7fff) : key)});
}

}  // namespace detail

// The bound for `x > value` (strict) or `x >= value`.
template <class T>
RM_HOST_DEVICE Bound<T> make_bound(double value, bool strict) {
  if constexpr (std::is_same_v<T, double>) {
    return {value, strict};
  } else if constexpr (std::is_same_v<T, float>) {
    const float below = detail::round_down_to_float(value);
    // A value between two floats: x >= value is x > the lower of them.
    const bool exact = static_cast<double>(below) == value;
    return {below, strict || (!exact && value == value)};
  } else if constexpr (kIsHalfWidth<T>) {
    // Bisection over the 2^16 keys for the first one that passes; NaN compares false and passes nowhere.
    int low = -KeyOf<T>::kInfinity - 1, high = KeyOf<T>::kInfinity + 1;
    while (low < high) {
      const int middle = low + ((high - low) >> 1);
      const auto x = static_cast<double>(detail::widen_key<T>(static_cast<std::int16_t>(middle)));
      if (strict ? x > value : x >= value) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return {static_cast<std::int16_t>(low), low > KeyOf<T>::kInfinity};
  } else {
    constexpr bool is_signed = static_cast<T>(-1) < static_cast<T>(1);
    constexpr double half = static_cast<double>(std::uint64_t{1} << (8 * sizeof(T) - 1));
    constexpr double highest = is_signed ? half : 2 * half;  // one above the maximum
    constexpr double lowest = is_signed ? -half : 0.0;
    if (value != value || value >= highest) return {0, true};
    if (value < lowest) return {detail::type_min<T>(), false};
    const auto truncated = static_cast<T>(value);  // towards zero
    const auto back = static_cast<double>(truncated);
    const bool passes = strict ? back > value : back >= value;
    if (passes) return {truncated, false};
    if (truncated == detail::type_max<T>()) return {0, true};
    return {static_cast<T>(truncated + 1), false};
  }
}

__extension__ using Int128 = __int128;

// The same for a value that is an integer of any size, which a double may not hold.
template <class T>
RM_HOST_DEVICE Bound<T> make_bound(Int128 value, bool strict) {
  if constexpr (std::is_integral_v<T>) {
    const Int128 first = strict ? value + 1 : value;
    if (first > static_cast<Int128>(detail::type_max<T>())) return {0, true};
    const bool below = first < static_cast<Int128>(detail::type_min<T>());
    return {below ? detail::type_min<T>() : static_cast<T>(first), false};
  } else {
    // Values are of 64 bits here. Between the double below and the value there is no other: x >= value is x > that one.
    double below = static_cast<double>(static_cast<std::int64_t>(value >> 32)) * 0x1p32 +
                   static_cast<double>(static_cast<std::uint32_t>(value));
    while (static_cast<Int128>(below) > value) below = detail::next_below(below);
    return make_bound<T>(below, strict || static_cast<Int128>(below) != value);
  }
}

template <class T>
RM_HOST_DEVICE Bound<T> make_bound(std::int64_t value, bool strict) {
  return make_bound<T>(static_cast<Int128>(value), strict);
}
template <class T>
RM_HOST_DEVICE Bound<T> make_bound(std::uint64_t value, bool strict) {
  return make_bound<T>(static_cast<Int128>(value), strict);
}

// `x > value` (strict) or `x >= value` for a value of one pixel: float, double, int64 or uint64.
template <class T, class Value>
RM_HOST_DEVICE bool exceeds(T x, Value value, bool strict) {
  constexpr bool is_narrow = sizeof(T) < 8;  // a double holds every x
  if constexpr (std::is_floating_point_v<Value> && kIsHalfWidth<T>) {
    return exceeds(to_float(x), value, strict);
  } else if constexpr (std::is_same_v<T, Value> && kIsFloat<T>) {
    return strict ? x > value : x >= value;
  } else if constexpr (std::is_floating_point_v<Value> && (is_narrow || kIsFloat<T>)) {
    return strict ? static_cast<double>(x) > static_cast<double>(value)
                  : static_cast<double>(x) >= static_cast<double>(value);
  } else if constexpr (std::is_floating_point_v<Value>) {
    return make_bound<T>(static_cast<double>(value), strict)(x);
  } else if constexpr (std::is_integral_v<T>) {
    return strict ? static_cast<Int128>(x) > static_cast<Int128>(value)
                  : static_cast<Int128>(x) >= static_cast<Int128>(value);
  } else {
    return make_bound<T>(value, strict)(x);
  }
}

enum class Comparison : bool { greater_equal = false, greater = true };

// One value for all images, one for each, or one for each pixel (of every image, or of one that serves them all).
// Arrays of values are float32, float64, int64 or uint64.
struct ThresholdValue {
  enum class Kind : std::uint8_t { scalar, per_image, per_pixel };
  Kind kind;
  double scalar;
  bool is_integer;  // the scalar is `integer` rather than `scalar`
  Int128 integer;
  Image array;  // per_image: n values; per_pixel: n images or 1
};

template <class T>
Bound<T> make_scalar_bound(const ThresholdValue& value, bool strict) {
  return value.is_integer ? make_bound<T>(value.integer, strict) : make_bound<T>(value.scalar, strict);
}

// Calls visit(values) with a pointer to the array's elements in their own type.
template <class Visitor>
RM_HOST_DEVICE decltype(auto) visit_values(const Image& array, const Visitor& visit) {
  switch (array.dtype) {
    case DType::float32: return visit(static_cast<const float*>(array.data));
    case DType::int64: return visit(static_cast<const std::int64_t*>(array.data));
    case DType::uint64: return visit(static_cast<const std::uint64_t*>(array.data));
    default: return visit(static_cast<const double*>(array.data));
  }
}

// Where a mask goes: dense bytes or packed words, whichever is not null.
struct MaskOutput {
  std::uint8_t* dense;
  std::uint64_t* packed;
};

namespace cpu {
void threshold(const Context&, const Image& image, const ThresholdValue& value, Comparison, const MaskOutput& masks);
}  // namespace cpu

namespace cuda {
void threshold(const Context&, const Image& image, const ThresholdValue& value, Comparison, const MaskOutput& masks);
}  // namespace cuda

}  // namespace rapidmask
