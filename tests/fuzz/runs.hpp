// Run lengths as harnesses have them, and the literal runs of pixels.
#pragma once

#include "input.hpp"
#include "rapidmask/rle.hpp"

namespace rapidmask::fuzz {

using Counts = std::vector<std::uint32_t>;

// Of all masks, one after the other.
struct Runs {
  Counts counts;
  std::vector<std::int64_t> offsets{0};

  bool operator==(const Runs&) const = default;
};

inline Runs found(const FoundRuns& runs) {
  const auto count = static_cast<std::size_t>(runs.offsets().back());
  Array<std::uint32_t> counts(static_cast<std::int64_t>(count));
  runs.write(counts.data());
  return {{counts.begin(), counts.end()}, runs.offsets()};
}
inline Runs found(RunLengths&& runs) { return {std::move(runs.counts), std::move(runs.offsets)}; }

// The canonical runs of pixels (n, h, w), column by column.
inline Runs runs_of(const Bytes& pixels, std::int64_t n, std::int64_t h, std::int64_t w) {
  Runs runs;
  for (std::int64_t i = 0; i < n; ++i) {
    bool value = false;
    std::uint32_t length = 0;
    for (std::int64_t k = 0; k < h * w; ++k) {
      const bool pixel = pixels[static_cast<std::size_t>((i * h + k % h) * w + k / h)] != 0;
      if (pixel != value) {
        runs.counts.push_back(std::exchange(length, 0));
        value = pixel;
      }
      ++length;
    }
    if (h * w > 0) runs.counts.push_back(length);
    runs.offsets.push_back(static_cast<std::int64_t>(runs.counts.size()));
  }
  return runs;
}

// The pixels (n, h, w) of runs that need not be canonical.
inline Bytes pixels_of(const Runs& runs, std::int64_t h, std::int64_t w) {
  const std::size_t n = runs.offsets.size() - 1;
  Bytes pixels(n * static_cast<std::size_t>(h * w));
  for (std::size_t i = 0; i < n; ++i) {
    std::int64_t position = 0;
    for (std::int64_t k = runs.offsets[i]; k < runs.offsets[i + 1]; ++k) {
      for (std::uint32_t j = 0; j < runs.counts[static_cast<std::size_t>(k)]; ++j, ++position) {
        pixels[static_cast<std::size_t>((static_cast<std::int64_t>(i) * h + position % h) * w + position / h)] =
            (k - runs.offsets[i]) % 2 == 1;
      }
    }
  }
  return pixels;
}

// Runs in arrays of exactly their size.
struct RunArrays {
  Array<std::uint32_t> counts;
  Array<std::int64_t> offsets;
  std::int64_t h, w;

  RunArrays(const Runs& runs, std::int64_t h_, std::int64_t w_)
      : counts(runs.counts), offsets(runs.offsets), h(h_), w(w_) {}
  ConstRunLengths view() const { return {counts.data(), offsets.data(), offsets.size() - 1, h, w}; }
};

}  // namespace rapidmask::fuzz
