// Run lengths on the CPU: their checks, strings, areas and boxes.

#include "rapidmask/rle.hpp"

#include <limits>
#include <stdexcept>

#include "isa/rle_measure_rows.hpp"
#include "isa/rle_rows.hpp"
#include "isa/rle_string_rows.hpp"
#include "rapidmask/measure.hpp"

namespace rapidmask {
namespace {

constexpr std::int64_t kMaxPixels = std::numeric_limits<std::uint32_t>::max();

[[noreturn]] void fail(const char* function, const std::string& what) {
  throw std::invalid_argument(std::string(function) + ": " + what);
}

// Reads the text character by character until it finds what is wrong with it.
[[noreturn]] void explain(const char* function, std::string_view text) {
  std::vector<std::int64_t> counts;
  std::size_t position = 0;
  const auto refuse = [&](const char* what) {
    fail(function, std::string("counts ") + what + " at character " + std::to_string(position));
  };
  for (;;) {
    std::int64_t x = 0;
    bool more = true;
    for (int shift = 0; more; shift += 5, ++position) {
      if (position == text.size()) refuse("must not end within a number, but does");
      const int group = static_cast<unsigned char>(text[position]) - 48;
      if (group < 0 || group > 63) refuse("must be characters '0' to 'o', got another");
      if (shift > 35) refuse("must fit 32 bits, got a larger number");
      x |= static_cast<std::int64_t>(group & 0x1f) << shift;
      more = (group & 0x20) != 0;
      if (!more && (group & 0x10) != 0) x |= -(std::int64_t{32} << shift);
    }
    if (counts.size() > 2) x += counts[counts.size() - 2];
    if (x < 0 || x > kMaxPixels) refuse("must be between 0 and 2^32 - 1, got another before the end");
    counts.push_back(x);
  }
}

}  // namespace

FoundRuns::FoundRuns(std::int64_t n, std::vector<Part> parts)
    : parts_(std::move(parts)), offsets_(static_cast<std::size_t>(n + 1)) {
  for (const Part& part : parts_) {
    for (const Mask& mask : part.masks) offsets_[static_cast<std::size_t>(mask.i + 1)] = mask.runs;
  }
  for (std::size_t i = 0; i + 1 < offsets_.size(); ++i) offsets_[i + 1] += offsets_[i];
}

void FoundRuns::write(std::uint32_t* counts) const {
  const auto lengths = rle_rows().lengths;
  for (const Part& part : parts_) {
    const std::uint32_t* ends = part.ends.get();
    for (const Mask& mask : part.masks) {
      lengths(ends, mask.runs, counts + offsets_[static_cast<std::size_t>(mask.i)]);
      ends += mask.runs;
    }
  }
}

bool check_run_lengths(const char* function, const ConstRunLengths& runs, std::int64_t count) {
  if (runs.offsets[0] != 0 || runs.offsets[runs.n] != count) {
    fail(function, "offsets must run from 0 to the number of counts, " + std::to_string(count) + ", got " +
                       std::to_string(runs.offsets[0]) + " to " + std::to_string(runs.offsets[runs.n]));
  }
  for (std::int64_t i = 0; i < runs.n; ++i) {
    if (runs.offsets[i] > runs.offsets[i + 1]) {
      fail(function, "offsets must not descend, got a descent at " + std::to_string(i));
    }
  }
  const auto sums_of = rle_measure_rows().sums;
  bool canonical = true;
  for (std::int64_t i = 0; i < runs.n; ++i) {
    const std::int64_t count_i = runs.offsets[i + 1] - runs.offsets[i];
    const RunSums sums = sums_of(runs.counts + runs.offsets[i], count_i);
    if (sums.background + sums.foreground != runs.h * runs.w) {
      fail(function, "counts of mask " + std::to_string(i) + " must add up to " + std::to_string(runs.h * runs.w) +
                         " pixels, got " + std::to_string(sums.background + sums.foreground));
    }
    canonical = canonical && sums.canonical && (count_i == 0 || runs.h * runs.w > 0);
  }
  return canonical;
}

std::int64_t rle_to_string(const std::uint32_t* counts, std::int64_t count, char* text) {
  return rle_string_rows().write(counts, count, text) - text;
}

std::int64_t rle_from_string(const char* function, std::string_view text, std::uint32_t* counts) {
  const std::int64_t count = rle_string_rows().read(text.data(), static_cast<std::int64_t>(text.size()), counts);
  if (count < 0) explain(function, text);
  return count;
}

namespace cpu {

void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t* areas) {
  const auto sums = rle_measure_rows().sums;
  for (std::int64_t i = 0; i < runs.n; ++i) {
    areas[i] = sums(runs.counts + runs.offsets[i], runs.offsets[i + 1] - runs.offsets[i]).foreground;
  }
}

void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t* boxes) {
  const auto rows_of = rle_measure_rows().rows;
  for (std::int64_t i = 0; i < runs.n; ++i, boxes += 4) {
    const std::uint32_t* counts = runs.counts + runs.offsets[i];
    const std::int64_t count = runs.offsets[i + 1] - runs.offsets[i];
    if (count < 2) {
      boxes[0] = boxes[1] = boxes[2] = boxes[3] = 0;
      continue;
    }
    const RunRows rows = rows_of(counts, count, runs.h);
    const std::int64_t after = count % 2 == 0 ? 0 : counts[count - 1];  // background that ends the mask
    boxes[0] = counts[0] / runs.h;
    boxes[1] = rows.y0;
    boxes[2] = (runs.h * runs.w - after - 1) / runs.h + 1;
    boxes[3] = rows.y1;
  }
}

void rle_centroids(const Context&, const ConstRunLengths& runs, double* centroids) {
  const auto h = static_cast<std::uint64_t>(runs.h);
  for (std::int64_t i = 0; i < runs.n; ++i) {
    // Sums over all pixels before a position, less those before a run: right at the end, even where they wrap around.
    std::uint64_t position = 0, area = 0, y = 0, x = 0;
    const auto add_before = [&](std::uint64_t sign) {
      const std::uint64_t column = position / h, row = position % h;
      area += sign * position;
      y += sign * (column * (h * (h - 1) / 2) + row * (row - 1) / 2);
      x += sign * (h * (column * (column - 1) / 2) + row * column);
    };
    for (std::int64_t at = runs.offsets[i]; at + 1 < runs.offsets[i + 1]; at += 2) {
      position += runs.counts[at];
      add_before(~std::uint64_t{0});
      position += runs.counts[at + 1];
      add_before(1);
    }
    const Moments sums{static_cast<std::int64_t>(area), static_cast<std::int64_t>(y), static_cast<std::int64_t>(x)};
    sums.centroid(centroids + 2 * i);
  }
}

}  // namespace cpu
}  // namespace rapidmask
