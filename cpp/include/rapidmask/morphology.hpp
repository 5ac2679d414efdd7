// Binary morphology of masks with a flat footprint.
//
// A footprint is an array of h by w (or d by h by w) elements, of which some are set. The offset of an element is its
// index less size / 2, rounded down, along each axis. With the set F of these offsets,
//   dilate(m)(p) = OR  of m(p - o), o in F
//   erode(m)(p)  = AND of m(p + o), o in F
// so that the two are adjoint: dilate(a) <= b exactly if a <= erode(b), whatever the footprint. From them, with k
// iterations of each,
//   opening = dilate^k(erode^k(m))       white_tophat = m & ~opening
//   closing = erode^k(dilate^k(m))       black_tophat = closing & ~m
//   gradient = dilate^k(m) & ~erode^k(m) boundary = m & ~erode^k(m)
// Zero iterations leave the mask as it is. A footprint without a set element dilates to nothing and erodes to
// everything.
//
// What lies outside of the mask is decided for every single dilation and erosion, of each iteration too:
//   ignore  it never decides: 0 for a dilation, 1 for an erosion
//   zeros   0 for both
//   ones    1 for both
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

enum class Morphology : std::uint8_t {
  dilate,
  erode,
  opening,
  closing,
  gradient,
  white_tophat,
  black_tophat,
  boundary,
};

inline Morphology morphology_of(const std::string& name) {
  if (name == "dilate") return Morphology::dilate;
  if (name == "erode") return Morphology::erode;
  if (name == "opening") return Morphology::opening;
  if (name == "closing") return Morphology::closing;
  if (name == "gradient") return Morphology::gradient;
  if (name == "white_tophat") return Morphology::white_tophat;
  if (name == "black_tophat") return Morphology::black_tophat;
  return Morphology::boundary;
}

enum class Border : std::uint8_t { ignore, zeros, ones };

inline Border border_of(const char* function, const std::string& name) {
  if (name == "ignore") return Border::ignore;
  if (name == "zeros") return Border::zeros;
  if (name == "ones") return Border::ones;
  throw std::invalid_argument(std::string(function) + ": border must be 'ignore', 'zeros' or 'ones', got '" + name +
                              "'");
}

// The value of what lies outside of a mask.
inline bool outside_value(Border border, bool erodes) {
  return border == Border::ignore ? erodes : border == Border::ones;
}

// Elements in host memory, set where they are not zero. An image has d = 1, and so has its footprint.
struct Footprint {
  const std::uint8_t* elements;
  std::int64_t d, h, w;
};

// The longest side of a footprint; merged iterations go beyond it.
inline constexpr std::int64_t kMaxFootprint = 127;

struct MorphologySettings {
  Morphology operation;
  Footprint footprint;
  std::int64_t iterations;
  Border border;
};

// `result` has the form and shape of `masks` and does not overlap them.
namespace cpu {
// Cost per 64 pixels and pass: an operation for each row of the footprint, some for each different run among them. Rows
// stream through all passes, so that no mask is held in between, unless iterations that cannot be merged make more than
// 64 of them.
void morphology(const Context&, const Masks& masks, const MorphologySettings& settings, const MutableMasks& result);
}  // namespace cpu

namespace cuda {
void morphology(const Context&, const Masks& masks, const MorphologySettings& settings, const MutableMasks& result);
}  // namespace cuda

}  // namespace rapidmask
