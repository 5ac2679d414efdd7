// The row loops of local thresholds, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

struct LocalRows {
  // out[x] = a[x] + b[x].
  void (*add)(const double* a, const double* b, std::int64_t count, double* out);
  void (*square)(const double* a, std::int64_t count, double* out);
  // sums[x] = the sum of values[x, x + w) in the order of local_window.hpp. `values` holds count + w - 1 numbers, which
  // are overwritten, as are as many in `sums`.
  void (*window_sums)(double* values, std::int64_t count, std::int64_t w, double* sums);
  // to[x to_stride + y] = from[y from_stride + x]; rows and columns are multiples of 4.
  void (*transpose)(const double* from, std::int64_t from_stride, std::int64_t rows, std::int64_t columns, double* to,
                    std::int64_t to_stride);
  // out[o count + x] = centre[x] weights[0] + Σ (centre[-d][x] + centre[d][x]) weights[d], from the farthest d (radius)
  // to the nearest, where the centre of output o is lines[radius + o] and centre[d] lies d lines on. `count` is a
  // multiple of 8.
  void (*weighted_sums)(const double* const* lines, const double* weights, std::int64_t radius, std::int64_t outputs,
                        std::int64_t count, double* out);
  void (*mean)(const double* sums, std::int64_t count, double area, double offset, double* surface);
  void (*niblack)(const double* sums, const double* squares, std::int64_t count, double area, double k,
                  double* surface);
  void (*sauvola)(const double* sums, const double* squares, std::int64_t count, double area, double k, double r,
                  double* surface);

  // The integer mean of 8-bit images. Pixels are taken as signed bytes `pixel ^ flip` (flip is 0x80 for uint8), so that
  // sums stay small. columns[x] += enter[x] - leave[x] moves the column sums down a row, and `decide` writes
  //   mask[x] = (Σ columns[x, x + w) < pixel[x] area + bias)
  // to bytes, to words, or both (either may be null). Columns in 16 bits serve windows up to narrow_h by narrow_w.
  std::int64_t narrow_h, narrow_w;
  void (*slide_narrow)(const std::uint8_t* enter, const std::uint8_t* leave, std::uint8_t flip, std::int64_t count,
                       std::int16_t* columns);
  void (*slide_wide)(const std::uint8_t* enter, const std::uint8_t* leave, std::uint8_t flip, std::int64_t count,
                     std::int32_t* columns);
  void (*decide_narrow)(const std::uint8_t* pixels, std::uint8_t flip, const std::int16_t* columns, std::int64_t count,
                        std::int64_t w, std::int32_t area, std::int32_t bias, std::uint8_t* mask, std::uint64_t* words);
  // `sums` is scratch of as many numbers as there are columns.
  void (*decide_wide)(const std::uint8_t* pixels, std::uint8_t flip, const std::int32_t* columns, std::int64_t count,
                      std::int64_t w, std::int32_t area, std::int32_t bias, std::int32_t* sums, std::uint8_t* mask,
                      std::uint64_t* words);

  // The median of 8-bit images, for windows of at most kMedianRows rows and kMedianArea pixels. `histograms` has
  // kMedianBytes per column; slide_medians moves them down a row, and find_medians sets medians[x] to `flip`ped pixel
  // number `rank` (from 0) of columns [x, x + w).
  void (*slide_medians)(const std::uint8_t* enter, const std::uint8_t* leave, std::uint8_t flip, std::int64_t columns,
                        std::uint8_t* histograms);
  void (*find_medians)(const std::uint8_t* histograms, std::int64_t count, std::int64_t w, std::int64_t rank,
                       std::uint8_t* medians);
};

inline constexpr std::int64_t kMedianRows = 255;
inline constexpr std::int64_t kMedianArea = 65535;
inline constexpr std::int64_t kMedianBytes = 16 + 256;

// `columns` holds count + w - 1 sums and this many zeros behind them, which whole vectors may read.
inline constexpr std::int64_t kColumnSlack = 256;

const LocalRows& local_rows();

}  // namespace rapidmask
