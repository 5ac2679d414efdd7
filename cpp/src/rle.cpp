// Run-length encoding on the CPU, mask by mask over the pool.

#include "rapidmask/rle.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"

namespace rapidmask {
namespace {

constexpr std::int64_t kGrainPixels = 1 << 18;

// Appends runs of alternating value and keeps them canonical.
class RunWriter {
 public:
  explicit RunWriter(std::vector<std::uint32_t>& counts) : counts_(counts) {}

  void add(bool value, std::int64_t length) {
    if (length == 0) return;
    if (counts_.empty() && value) counts_.push_back(0);
    const bool last_value = counts_.size() % 2 == 0;  // of the run written last
    if (!counts_.empty() && last_value == value) {
      counts_.back() += static_cast<std::uint32_t>(length);
    } else {
      counts_.push_back(static_cast<std::uint32_t>(length));
    }
  }

 private:
  std::vector<std::uint32_t>& counts_;
};

// 64 columns at a time are turned on their side through a tile, so that the mask is read along its rows.
void encode_columns(const std::uint8_t* mask, std::int64_t h, std::int64_t w, std::vector<std::uint32_t>& counts) {
  RunWriter writer(counts);
  constexpr std::int64_t kColumns = 64;
  std::vector<std::uint8_t> tile(static_cast<std::size_t>(kColumns * h));
  for (std::int64_t x0 = 0; h > 0 && x0 < w; x0 += kColumns) {
    const std::int64_t columns = std::min(kColumns, w - x0);
    for (std::int64_t y = 0; y < h; ++y) {
      for (std::int64_t x = 0; x < columns; ++x) {
        tile[static_cast<std::size_t>(x * h + y)] = mask[y * w + x0 + x] != 0;
      }
    }
    const std::uint8_t* pixel = tile.data();
    const std::uint8_t* end = pixel + columns * h;
    while (pixel < end) {
      const std::uint8_t* stop = std::find(pixel, end, static_cast<std::uint8_t>(*pixel ^ 1));
      writer.add(*pixel != 0, stop - pixel);
      pixel = stop;
    }
  }
}

RunLengths join(const std::vector<std::vector<std::uint32_t>>& masks) {
  RunLengths all;
  all.offsets.reserve(masks.size() + 1);
  all.offsets.push_back(0);
  for (const auto& counts : masks) all.offsets.push_back(all.offsets.back() + static_cast<std::int64_t>(counts.size()));
  all.counts.reserve(static_cast<std::size_t>(all.offsets.back()));
  for (const auto& counts : masks) all.counts.insert(all.counts.end(), counts.begin(), counts.end());
  return all;
}

bool combine_pixel(bool a, bool b, SetOperation operation) {
  switch (operation) {
    case SetOperation::intersection: return a && b;
    case SetOperation::union_: return a || b;
    case SetOperation::symmetric_difference: return a != b;
    case SetOperation::difference: break;
  }
  return a && !b;
}

}  // namespace

void check_run_lengths(const char* function, const ConstRunLengths& runs, std::int64_t count) {
  const auto fail = [&](const std::string& what) { throw std::invalid_argument(std::string(function) + ": " + what); };
  if (runs.offsets[0] != 0 || runs.offsets[runs.n] != count) {
    fail("offsets must run from 0 to the number of counts, " + std::to_string(count) + ", got " +
         std::to_string(runs.offsets[0]) + " to " + std::to_string(runs.offsets[runs.n]));
  }
  for (std::int64_t i = 0; i < runs.n; ++i) {
    if (runs.offsets[i] > runs.offsets[i + 1]) fail("offsets must not descend, got a descent at " + std::to_string(i));
  }
  for (std::int64_t i = 0; i < runs.n; ++i) {
    std::uint64_t sum = 0;
    for (std::int64_t k = runs.offsets[i]; k < runs.offsets[i + 1]; ++k) sum += runs.counts[k];
    if (sum != static_cast<std::uint64_t>(runs.h * runs.w)) {
      fail("counts of mask " + std::to_string(i) + " must add up to " + std::to_string(runs.h * runs.w) +
           " pixels, got " + std::to_string(sum));
    }
  }
}

std::string rle_to_string(const std::uint32_t* counts, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t x = counts[i];
    if (i > 2) x -= counts[i - 2];
    bool more = true;
    while (more) {
      auto group = static_cast<int>(x & 0x1f);
      x >>= 5;
      more = (group & 0x10) != 0 ? x != -1 : x != 0;
      if (more) group |= 0x20;
      text.push_back(static_cast<char>(group + 48));
    }
  }
  return text;
}

std::vector<std::uint32_t> rle_from_string(std::string_view text) {
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> counts;
  std::size_t position = 0;
  const auto fail = [&](const char* what) {
    throw std::invalid_argument("rle_from_string: counts " + std::string(what) + " at character " +
                                std::to_string(position));
  };
  while (position < text.size()) {
    std::int64_t x = 0;
    int shift = 0;
    bool more = true;
    while (more) {
      if (position == text.size()) fail("must not end within a number, but does");
      const int group = static_cast<unsigned char>(text[position]) - 48;
      if (group < 0 || group > 63) fail("must be characters '0' to 'o', got another");
      if (shift > 35) fail("must fit 32 bits, got a larger number");
      x |= static_cast<std::int64_t>(group & 0x1f) << shift;
      more = (group & 0x20) != 0;
      shift += 5;
      ++position;
      if (!more && (group & 0x10) != 0) x |= -(std::int64_t{1} << shift);
    }
    if (counts.size() > 2) x += counts[counts.size() - 2];
    if (x < 0 || x > kMax) fail("must be between 0 and 2^32 - 1, got another before the end");
    counts.push_back(static_cast<std::uint32_t>(x));
  }
  return counts;
}

namespace cpu {

RunLengths rle_encode(const Context&, const View<const std::uint8_t>& masks) {
  std::vector<std::vector<std::uint32_t>> all(static_cast<std::size_t>(masks.n));
  parallel_for_each(masks.n, masks.image_size(), kGrainPixels, [&](std::int64_t i) {
    encode_columns(masks.image(i), masks.h, masks.w, all[static_cast<std::size_t>(i)]);
  });
  return join(all);
}

RunLengths rle_encode(const Context&, const ConstPackedMasks& masks) {
  std::vector<std::vector<std::uint32_t>> all(static_cast<std::size_t>(masks.n));
  const auto unpack = pack_rows().unpack;
  parallel_for_each(masks.n, masks.h * masks.w, kGrainPixels, [&](std::int64_t i) {
    std::vector<std::uint8_t> dense(static_cast<std::size_t>(masks.h * masks.w));
    unpack(masks.image(i), masks.h, masks.w, dense.data());
    encode_columns(dense.data(), masks.h, masks.w, all[static_cast<std::size_t>(i)]);
  });
  return join(all);
}

void rle_decode(const Context&, const ConstRunLengths& runs, std::uint8_t* masks) {
  const std::int64_t pixels = runs.h * runs.w;
  parallel_for_each(runs.n, pixels, kGrainPixels, [&](std::int64_t i) {
    std::uint8_t* mask = masks + i * pixels;
    std::fill_n(mask, pixels, std::uint8_t{0});
    std::int64_t position = 0;
    for (std::int64_t k = runs.offsets[i]; k < runs.offsets[i + 1]; ++k) {
      const std::int64_t end = position + runs.counts[k];
      if ((k - runs.offsets[i]) % 2 == 1) {
        std::int64_t y = position % runs.h, x = position / runs.h;
        for (std::int64_t left = end - position; left > 0; ++x, y = 0) {
          const std::int64_t stop = std::min(runs.h, y + left);
          left -= stop - y;
          for (; y < stop; ++y) mask[y * runs.w + x] = 1;
        }
      }
      position = end;
    }
  });
}

RunLengths rle_canonical(const Context&, const ConstRunLengths& runs) {
  std::vector<std::vector<std::uint32_t>> all(static_cast<std::size_t>(runs.n));
  for (std::int64_t i = 0; i < runs.n; ++i) {
    RunWriter writer(all[static_cast<std::size_t>(i)]);
    const std::int64_t first = runs.offsets[i];
    for (std::int64_t k = first; k < runs.offsets[i + 1]; ++k) writer.add((k - first) % 2 == 1, runs.counts[k]);
  }
  return join(all);
}

RunLengths rle_combine(const Context&, const ConstRunLengths& a, const ConstRunLengths& b, SetOperation operation) {
  const std::int64_t n = a.n == 1 ? b.n : a.n;
  std::vector<std::vector<std::uint32_t>> all(static_cast<std::size_t>(n));
  parallel_for_each(n, a.h * a.w, kGrainPixels, [&](std::int64_t i) {
    const std::int64_t ia = a.n == 1 ? 0 : i, ib = b.n == 1 ? 0 : i;
    RunWriter writer(all[static_cast<std::size_t>(i)]);
    std::int64_t ka = a.offsets[ia], kb = b.offsets[ib];
    std::int64_t left_a = 0, left_b = 0;  // of the runs at hand
    bool value_a = true, value_b = true;  // the first run that is fetched flips them to background
    for (std::int64_t done = 0; done < a.h * a.w;) {
      while (left_a == 0) {
        left_a = a.counts[ka++];
        value_a = !value_a;
      }
      while (left_b == 0) {
        left_b = b.counts[kb++];
        value_b = !value_b;
      }
      const std::int64_t length = std::min(left_a, left_b);
      writer.add(combine_pixel(value_a, value_b, operation), length);
      left_a -= length;
      left_b -= length;
      done += length;
    }
  });
  return join(all);
}

void rle_areas(const Context&, const ConstRunLengths& runs, std::int64_t* areas) {
  for (std::int64_t i = 0; i < runs.n; ++i) {
    areas[i] = 0;
    for (std::int64_t k = runs.offsets[i] + 1; k < runs.offsets[i + 1]; k += 2) areas[i] += runs.counts[k];
  }
}

void rle_boxes(const Context&, const ConstRunLengths& runs, std::int64_t* boxes) {
  for (std::int64_t i = 0; i < runs.n; ++i) {
    std::int64_t x0 = runs.w, y0 = runs.h, x1 = 0, y1 = 0, position = 0;
    for (std::int64_t k = runs.offsets[i]; k < runs.offsets[i + 1]; ++k) {
      const std::int64_t begin = position;
      position += runs.counts[k];
      if ((k - runs.offsets[i]) % 2 == 0 || position == begin) continue;
      const std::int64_t first = begin / runs.h, last = (position - 1) / runs.h;
      x0 = std::min(x0, first);
      x1 = std::max(x1, last + 1);
      // A run that goes on in the next column holds the last row of this one and the first of that.
      y0 = std::min(y0, first == last ? begin % runs.h : 0);
      y1 = std::max(y1, first == last ? (position - 1) % runs.h + 1 : runs.h);
    }
    const bool empty = x1 == 0;
    boxes[4 * i] = empty ? 0 : x0;
    boxes[4 * i + 1] = empty ? 0 : y0;
    boxes[4 * i + 2] = x1;
    boxes[4 * i + 3] = y1;
  }
}

}  // namespace cpu
}  // namespace rapidmask
