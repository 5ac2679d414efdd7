// Hot loops of the threshold values: histograms of bytes, sums of integers, and for floats the range, the bins and the
// sums.
//
// histogram_rows.cpp is compiled once per instruction level; this table is what each level exports.
#pragma once

#include <cstdint>

#include "rapidmask/threshold_bins.hpp"

namespace rapidmask {

template <class T>
struct FloatRows {
  using F = WidenedType<T>;

  // Sets the smallest and the largest of count >= 1 pixels. Returns false, with the two unspecified, when one of them
  // is NaN or infinite.
  bool (*range)(const T* pixels, std::int64_t count, F* smallest, F* largest);

  // Sets bins[i] to the bin of pixels[i].
  void (*bins)(const T* pixels, std::int64_t count, const FloatBins<F>& edges, std::uint8_t* bins);

  // The sum of up to kSumChunk pixels.
  double (*sum)(const T* pixels, std::int64_t count);

  // Sums, over up to kSumChunk pixels, of the differences pixel − smallest: those above `threshold` and those not.
  SplitSums (*split)(const T* pixels, std::int64_t count, F smallest, double threshold);
};

// The exact sums of integers, by type.
struct IntegerSums {
  template <class T>
  using Sum = IntegerSum (*)(const T* pixels, std::int64_t count);

  Sum<std::uint8_t> u8;
  Sum<std::int8_t> i8;
  Sum<std::uint16_t> u16;
  Sum<std::int16_t> i16;
  Sum<std::uint32_t> u32;
  Sum<std::int32_t> i32;
  Sum<std::uint64_t> u64;
  Sum<std::int64_t> i64;

  IntegerSum operator()(const std::uint8_t* pixels, std::int64_t count) const { return u8(pixels, count); }
  IntegerSum operator()(const std::int8_t* pixels, std::int64_t count) const { return i8(pixels, count); }
  IntegerSum operator()(const std::uint16_t* pixels, std::int64_t count) const { return u16(pixels, count); }
  IntegerSum operator()(const std::int16_t* pixels, std::int64_t count) const { return i16(pixels, count); }
  IntegerSum operator()(const std::uint32_t* pixels, std::int64_t count) const { return u32(pixels, count); }
  IntegerSum operator()(const std::int32_t* pixels, std::int64_t count) const { return i32(pixels, count); }
  IntegerSum operator()(const std::uint64_t* pixels, std::int64_t count) const { return u64(pixels, count); }
  IntegerSum operator()(const std::int64_t* pixels, std::int64_t count) const { return i64(pixels, count); }
};

struct HistogramRows {
  // Adds the number of pixels of each value to counts[256]. `pairs` is scratch of 65536.
  void (*count_bytes)(const std::uint8_t* pixels, std::int64_t count, std::int64_t* counts, std::uint32_t* pairs);

  // Adds the number of pixels of each value, `flip`ped, to counts[65536].
  void (*count_shorts)(const std::uint16_t* pixels, std::int64_t count, std::uint16_t flip, std::uint32_t* counts);

  IntegerSums sum;

  FloatRows<Half> half;
  FloatRows<BFloat16> bfloat16;
  FloatRows<float> single;
  FloatRows<double> twice;

  const FloatRows<Half>& of(Half) const { return half; }
  const FloatRows<BFloat16>& of(BFloat16) const { return bfloat16; }
  const FloatRows<float>& of(float) const { return single; }
  const FloatRows<double>& of(double) const { return twice; }
};

// The table of the level in use.
const HistogramRows& histogram_rows();

namespace baseline {
extern const HistogramRows histogram_rows;
}
namespace x86_v3 {
extern const HistogramRows histogram_rows;
}
namespace x86_v4 {
extern const HistogramRows histogram_rows;
}

}  // namespace rapidmask
