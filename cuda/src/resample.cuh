// Resampling into masks on a device: how a warp interpolates a word of columns, row after row, and what it counts.
//
// A lane has one column, whose taps it keeps; the taps of rows are shared by its block. What it mixed along the last
// two input rows, and along the last two rows between the resizings, it keeps too, so that each is mixed once for all
// the output rows that it is part of.
#pragma once

#include "pixel_bytes.cuh"
#include "port.cuh"
#include "rapidmask/upsample.hpp"
#include "tiles.cuh"

namespace rapidmask::cuda {

inline constexpr int kStripRows = kWarpSize;  // output rows that a warp takes at once, and writes: one a lane
inline constexpr int kStripWords = kThreads / kWarpSize;  // words of 32 columns, one a warp

__device__ __forceinline__ float widened(float x) { return x; }
__device__ __forceinline__ float widened(Half x) { return to_float(x); }
__device__ __forceinline__ float widened(BFloat16 x) { return to_float(x); }

// How the output is cut: strips of rows and groups of words, of every mask.
struct Strips {
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t words() const { return 2 * ((w + 63) / 64); }  // of 32 bits, in a packed row
  RM_HOST_DEVICE std::int64_t down() const { return (h + kStripRows - 1) / kStripRows; }
  RM_HOST_DEVICE std::int64_t across() const { return (words() + kStripWords - 1) / kStripWords; }
  RM_HOST_DEVICE std::int64_t count() const { return n * down() * across(); }
};

// What is added up over a mask: counts, and extents as what is largest, so that all begin at 0.
struct Tally {
  static constexpr int kFields = 7;
  unsigned long long* fields;  // of all masks: area, above high, above low, w - x0, h - y0, x1, y1

  __device__ void add(std::int64_t i, int field, unsigned long long value) const {
    if (value != 0) atomicAdd(fields + i * kFields + field, value);
  }
  __device__ void extend(std::int64_t i, int field, unsigned long long value) const {
    atomicMax(fields + i * kFields + field, value);
  }
};

// One column of the output. A source gives value(row, column) of the input.
template <class Source, bool kTwice>
class ResampledColumn {
 public:
  __device__ ResampledColumn(const Source& source, const ResizeTap& tap) : source_(source), tap_(tap) {}

  __device__ float value(const ResizeTap& row) {
    const float first = middle(row, 0);
    return bilinear_mix(row.middle, first, row.middle.second_weight == 0 ? first : middle(row, 1));
  }

 private:
  struct Line {
    std::int64_t row = -1;
    float left = 0, right = 0;
  };
  struct Middle {
    std::int64_t row = -1;
    float value = 0;
  };

  __device__ float along(const BilinearTap& tap, std::int64_t row) const {
    const float first = source_.value(row, tap.first);
    return bilinear_mix(tap, first, tap.second_weight == 0 ? first : source_.value(row, tap.second));
  }

  // Of the last two, the older one makes room.
  __device__ Line line(std::int64_t row) {
    if (row == newer_.row) return newer_;
    if (row == older_.row) return older_;
    older_ = newer_;
    newer_.row = row;
    newer_.left = along(kTwice ? tap_.inputs[0] : tap_.middle, row);
    newer_.right = kTwice && tap_.middle.second_weight != 0 ? along(tap_.inputs[1], row) : newer_.left;
    return newer_;
  }

  __device__ float middle(const ResizeTap& row, int which) {
    const BilinearTap& tap = row.inputs[which];
    if constexpr (!kTwice) {
      return line(tap.first).left;
    } else {
      const std::int64_t id = which == 0 ? row.middle.first : row.middle.second;
      if (id == newer_middle_.row) return newer_middle_.value;
      if (id == older_middle_.row) return older_middle_.value;
      older_middle_ = newer_middle_;
      const Line first = line(tap.first), second = tap.second_weight == 0 ? first : line(tap.second);
      newer_middle_.row = id;
      newer_middle_.value = bilinear_mix(tap_.middle, bilinear_mix(tap, first.left, second.left),
                                         bilinear_mix(tap, first.right, second.right));
      return newer_middle_.value;
    }
  }

  Source source_;
  ResizeTap tap_;
  Line newer_, older_;
  Middle newer_middle_, older_middle_;
};

// Where words of 32 columns go.
struct WordOutput {
  std::uint8_t* dense;
  std::uint32_t* packed;
  std::int64_t h, w;

  // A word of the rows y_begin to y_end of mask i, at most as many as lanes, of which each has the bits of one.
  __device__ void store(std::int64_t i, std::int64_t y_begin, std::int64_t y_end, std::int64_t word,
                        std::uint32_t bits) const {
    if (lane_id() >= y_end - y_begin) return;
    const std::int64_t row = i * h + y_begin + lane_id(), x = word * kWarpSize;
    if (packed != nullptr) {
      packed[row * 2 * ((w + 63) / 64) + word] = bits;
    } else {
      write_pixels(bits, dense + row * w + x, w - x);
    }
  }
};

// Counts of one warp over the rows of a strip; bits are votes, the same in every lane.
struct WarpTally {
  unsigned long long area = 0, above_high = 0, above_low = 0;
  std::uint32_t columns = 0;
  std::int64_t y0 = 0, y1 = 0;

  __device__ void add(std::int64_t y, std::uint32_t bits, std::uint32_t high, std::uint32_t low) {
    area += static_cast<unsigned>(__popc(bits));
    above_high += static_cast<unsigned>(__popc(high));
    above_low += static_cast<unsigned>(__popc(low));
    if (bits == 0) return;
    if (columns == 0) y0 = y;
    y1 = y + 1;
    columns |= bits;
  }

  __device__ void give(const Tally& tally, std::int64_t i, std::int64_t word, std::int64_t h, std::int64_t w) const {
    if (lane_id() != 0) return;
    tally.add(i, 0, area);
    tally.add(i, 1, above_high);
    tally.add(i, 2, above_low);
    if (columns == 0) return;
    const std::int64_t x = word * kWarpSize;
    tally.extend(i, 3, static_cast<unsigned long long>(w - x - (__ffs(static_cast<int>(columns)) - 1)));
    tally.extend(i, 4, static_cast<unsigned long long>(h - y0));
    tally.extend(i, 5, static_cast<unsigned long long>(x + kWarpSize - __clz(static_cast<int>(columns))));
    tally.extend(i, 6, static_cast<unsigned long long>(y1));
  }
};

// Makes room for what is counted, all 0, where anything is wanted.
Tally start_tally(const Context& context, std::int64_t n, const MaskStatistics& statistics);
// Gives the statistics that were counted.
void finish_tally(const Context& context, const Tally& tally, std::int64_t n, std::int64_t h, std::int64_t w,
                  const MaskStatistics& statistics);

}  // namespace rapidmask::cuda
