// Views of images and masks: a pointer and a shape, which own nothing.
//
// Every array that reaches the algorithms is C-contiguous and collapsed to (batch, height, width); the bindings see to
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "rapidmask/portable.hpp"

namespace rapidmask {

enum class DType : std::uint8_t {
  boolean,
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  uint64,
  int64,
  float16,
  bfloat16,
  float32,
  float64,
};

// Storage of the two half-width floating types. They are compared by their bits and widened by `to_float`.
struct Half {
  std::uint16_t bits;
};
struct BFloat16 {
  std::uint16_t bits;
};

// An array of shape (n, h, w).
template <class T>
struct View {
  T* data;
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t image_size() const { return h * w; }
  RM_HOST_DEVICE std::int64_t size() const { return n * h * w; }
  RM_HOST_DEVICE T* image(std::int64_t i) const { return data + i * h * w; }
};

// An array of shape (n, h, w) whose element type is known only at run time.
struct Image {
  const void* data;
  DType dtype;
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t image_size() const { return h * w; }
  RM_HOST_DEVICE std::int64_t size() const { return n * h * w; }
  template <class T>
  RM_HOST_DEVICE View<const T> as() const {
    return {static_cast<const T*>(data), n, h, w};
  }
};

// Masks with one bit per pixel: n·h rows of `words()` 64-bit words, pixel x in bit x % 64 of word x / 64, tail bits
// zero.
template <class Word>
struct PackedMasksView {
  Word* data;
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t words() const { return (w + 63) / 64; }
  RM_HOST_DEVICE std::int64_t size() const { return n * h * words(); }
  RM_HOST_DEVICE Word* image(std::int64_t i) const { return data + i * h * words(); }
};
using PackedMasks = PackedMasksView<std::uint64_t>;
using ConstPackedMasks = PackedMasksView<const std::uint64_t>;

// Masks of images (d = 1) or of volumes, in either form: n·d·h rows of w pixels, one byte each or, where `packed`, one
// bit, in words() words of 64 bits.
template <class Byte>
struct MasksView {
  Byte* data;
  bool packed;
  std::int64_t n, d, h, w;

  RM_HOST_DEVICE std::int64_t words() const { return (w + 63) / 64; }
  RM_HOST_DEVICE std::int64_t rows() const { return n * d * h; }
  RM_HOST_DEVICE std::int64_t pixels() const { return d * h * w; }  // of one mask
  RM_HOST_DEVICE std::int64_t mask_words() const { return d * h * words(); }
  RM_HOST_DEVICE std::int64_t mask_bytes() const { return packed ? 8 * mask_words() : pixels(); }
  RM_HOST_DEVICE Byte* mask(std::int64_t i) const { return data + i * mask_bytes(); }
  // Of all masks, where they are packed, and where they are dense.
  RM_HOST_DEVICE auto bits() const {
    if constexpr (std::is_const_v<Byte>) {
      return ConstPackedMasks{reinterpret_cast<const std::uint64_t*>(data), n * d, h, w};
    } else {
      return PackedMasks{reinterpret_cast<std::uint64_t*>(data), n * d, h, w};
    }
  }
  RM_HOST_DEVICE View<Byte> bytes() const { return {data, n * d, h, w}; }
};
using Masks = MasksView<const std::uint8_t>;
using MutableMasks = MasksView<std::uint8_t>;

// The valid bits of the last word of a row of w pixels (all ones when the row fills it).
RM_HOST_DEVICE std::uint64_t tail_mask(std::int64_t w) {
  return w % 64 == 0 ? ~std::uint64_t{0} : (std::uint64_t{1} << (w % 64)) - 1;
}

namespace detail {
RM_HOST_DEVICE float float_from_bits(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
}  // namespace detail

// Widening is exact.
RM_HOST_DEVICE float to_float(BFloat16 x) { return detail::float_from_bits(std::uint32_t{x.bits} << 16); }
RM_HOST_DEVICE float to_float(Half x) {
  const std::uint32_t sign = static_cast<std::uint32_t>(x.bits & 0x8000u) << 16;
  const std::uint32_t magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return detail::float_from_bits(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x0400u) return detail::float_from_bits(sign | ((magnitude << 13) + (112u << 23)));
  const float subnormal = static_cast<float>(magnitude) * 5.9604644775390625e-8f;  // units of 2^-24
  return sign != 0 ? -subnormal : subnormal;
}

namespace detail {
// The bits of the nearest number with `kFraction` bits of fraction and exponents from 1 - kBias to kBias.
template <int kFraction, int kBias>
RM_HOST_DEVICE std::uint16_t round_to_bits(double x) {
  std::uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const auto sign = static_cast<std::uint16_t>(bits >> 48 & 0x8000u);
  constexpr auto kInfinity = static_cast<std::uint16_t>((2 * kBias + 1) << kFraction);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  if (x != x) return static_cast<std::uint16_t>(sign | kInfinity | 1 << (kFraction - 1));
  if (exponent > kBias) return static_cast<std::uint16_t>(sign | kInfinity);
  const int unit = exponent > 1 - kBias ? exponent : 1 - kBias;  // subnormal numbers share the smallest exponent
  const int shift = 52 - kFraction + unit - exponent;
  if (shift > 53) return sign;
  const std::uint64_t significand = (bits & 0xfffffffffffffull) | 0x10000000000000ull;
  const std::uint64_t rest = significand & ((std::uint64_t{1} << shift) - 1);
  const std::uint64_t half = std::uint64_t{1} << (shift - 1);
  std::uint64_t rounded = significand >> shift;
  if (rest > half || (rest == half && (rounded & 1) != 0)) ++rounded;
  rounded += static_cast<std::uint64_t>(unit - 1 + kBias) << kFraction;  // the implicit bit adds 1 to the exponent
  return static_cast<std::uint16_t>(sign | rounded);
}
}  // namespace detail

// The nearest value of a floating type, ties to even; infinite above the largest.
template <class T>
RM_HOST_DEVICE T nearest(double x) {
  if constexpr (std::is_same_v<T, Half>) {
    return {detail::round_to_bits<10, 15>(x)};
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return {detail::round_to_bits<7, 127>(x)};
  } else {
    return static_cast<T>(x);
  }
}

template <class T>
struct Type {
  using type = T;
};

// Calls visit(Type<T>{}) with the element type of `dtype`: the one place where an element type is switched.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable  // visitors of the host are called on the host
#endif
template <class Visitor>
RM_HOST_DEVICE decltype(auto) visit_dtype(DType dtype, Visitor&& visit) {
  switch (dtype) {
    case DType::boolean:
    case DType::uint8: return visit(Type<std::uint8_t>{});
    case DType::int8: return visit(Type<std::int8_t>{});
    case DType::uint16: return visit(Type<std::uint16_t>{});
    case DType::int16: return visit(Type<std::int16_t>{});
    case DType::uint32: return visit(Type<std::uint32_t>{});
    case DType::int32: return visit(Type<std::int32_t>{});
    case DType::uint64: return visit(Type<std::uint64_t>{});
    case DType::int64: return visit(Type<std::int64_t>{});
    case DType::float16: return visit(Type<Half>{});
    case DType::bfloat16: return visit(Type<BFloat16>{});
    case DType::float32: return visit(Type<float>{});
    case DType::float64: break;
  }
  return visit(Type<double>{});
}

inline std::size_t item_size(DType dtype) {
  return visit_dtype(dtype, [](auto type) { return sizeof(typename decltype(type)::type); });
}

// A number as an array of that type would hold it, where the type is floating.
inline double round_to(DType dtype, double x) {
  switch (dtype) {
    case DType::float16: return to_float(nearest<Half>(x));
    case DType::bfloat16: return to_float(nearest<BFloat16>(x));
    case DType::float32: return nearest<float>(x);
    default: return x;
  }
}

inline bool is_floating(DType dtype) { return dtype >= DType::float16; }

}  // namespace rapidmask
