// Run lengths: what is no mask is refused; decoding, encoding, sets, areas, boxes and overlaps against those of pixels.

#include <algorithm>
#include <array>
#include <stdexcept>

#include "rapidmask/overlap.hpp"
#include "runs.hpp"

namespace rapidmask::fuzz {
namespace {

// Runs that add up to h·w, with zeros between them where the input has them.
Counts any_mask(Input& input, std::int64_t h, std::int64_t w) {
  const std::int64_t mode = input.below(4), most = input.pick<std::int64_t>({1, 3, 70, 700, 5000});
  const std::uint8_t zeros = mode == 0 ? 64 : 0;
  Counts counts;
  Noise noise(input);
  std::int64_t left = h * w;
  for (int k = 0; left > 0; ++k) {
    std::int64_t count = mode < 2 ? input.below(most + 1) : noise.below(most + 1);
    if (count == 0 && (mode != 0 || k > 400 || input.byte() < zeros)) count = k == 0 ? 0 : 1;
    count = std::min(count, left);
    if (input.empty() && mode < 2) count = left;
    counts.push_back(static_cast<std::uint32_t>(count));
    left -= count;
  }
  return counts;
}

Runs any_batch(Input& input, std::int64_t n, std::int64_t h, std::int64_t w) {
  Runs runs;
  for (std::int64_t i = 0; i < n; ++i) {
    const Counts counts = any_mask(input, h, w);
    runs.counts.insert(runs.counts.end(), counts.begin(), counts.end());
    runs.offsets.push_back(static_cast<std::int64_t>(runs.counts.size()));
  }
  return runs;
}

// Counts and offsets of anything are accepted only where they are masks, and canonical only where they are.
void check_anything(Input& input) {
  const std::int64_t n = input.below(4), h = input.extent(40), w = input.extent(40);
  Runs runs = any_batch(input, n, h, w);
  for (std::int64_t damage = input.below(4); damage > 0; --damage) {
    if (input.flag() && !runs.counts.empty()) {
      auto& count = runs.counts[static_cast<std::size_t>(input.below(static_cast<std::int64_t>(runs.counts.size())))];
      count = input.flag() ? static_cast<std::uint32_t>(input.bits(4)) : count + (input.flag() ? 1 : -1);
    } else {
      auto& offset =
          runs.offsets[static_cast<std::size_t>(input.below(static_cast<std::int64_t>(runs.offsets.size())))];
      offset = input.flag() ? static_cast<std::int64_t>(input.bits(8)) : offset + input.between(-2, 2);
    }
  }
  const auto total = static_cast<std::int64_t>(runs.counts.size());
  bool valid = runs.offsets.front() == 0 && runs.offsets.back() == total, canonical = true;
  for (std::size_t i = 0; i + 1 < runs.offsets.size(); ++i)
    valid = valid && runs.offsets[i] <= runs.offsets[i + 1] && runs.offsets[i + 1] <= total;
  for (std::size_t i = 0; valid && i + 1 < runs.offsets.size(); ++i) {
    std::int64_t sum = 0;
    for (std::int64_t k = runs.offsets[i]; k < runs.offsets[i + 1]; ++k) {
      const std::uint32_t count = runs.counts[static_cast<std::size_t>(k)];
      sum += count;
      canonical = canonical && (count != 0 || (k == runs.offsets[i] && h * w != 0));
    }
    valid = valid && sum == h * w;
  }
  const RunArrays arrays(runs, h, w);
  try {
    const bool said = check_run_lengths("fuzz", arrays.view(), total);
    expect(valid, "a refusal of runs that are no masks");
    expect(said == canonical, "whether runs are canonical");
  } catch (const std::invalid_argument&) {
    expect(!valid, "runs that are masks");
  }
}

void compare_encoders(Input& input, const Bytes& pixels, const Runs& wanted, std::int64_t n, std::int64_t h,
                      std::int64_t w) {
  const std::uint8_t foreground = foreground_byte(input);
  const std::int64_t gap = input.below(3);
  const bool by_columns = input.flag();
  const std::int64_t lines = by_columns ? w : h, length = by_columns ? h : w, stride = length + gap;
  std::vector<Array<std::uint8_t>> memory;
  StridedMasks strided{{}, h, w, by_columns, stride};
  for (std::int64_t i = 0; i < n; ++i) {
    memory.emplace_back(lines == 0 ? 0 : (lines - 1) * stride + length, std::uint8_t{0x55});
    for (std::int64_t k = 0; k < h * w; ++k) {
      const std::int64_t y = k / w, x = k % w;
      memory.back()[by_columns ? x * stride + y : y * stride + x] =
          pixels[static_cast<std::size_t>(i * h * w + k)] != 0 ? foreground : 0;
    }
  }
  for (const auto& mask : memory) strided.masks.push_back(mask.data());
  const MaskArray packed(pixels, true, n, 1, h, w);
  at_every_level("encoded pixels", [&] {
    expect(found(cpu::rle_encode({}, strided)) == wanted, "encoded pixels");
    expect(found(cpu::rle_encode({}, packed.view().bits())) == wanted, "encoded bits");
    const std::vector<std::string> texts = cpu::rle_encode_strings({}, strided);
    expect(static_cast<std::int64_t>(texts.size()) == n, "as many strings as masks");
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Array<std::uint32_t> counts(static_cast<std::int64_t>(texts[i].size()));
      const std::int64_t count = rle_from_string("fuzz", texts[i], counts.data());
      const auto* begin = wanted.counts.data() + wanted.offsets[i];
      expect(std::equal(counts.data(), counts.data() + count, begin, wanted.counts.data() + wanted.offsets[i + 1]),
             "encoded strings");
    }
    return true;
  });
}

void compare_decoders(Input& input, const RunArrays& runs, const Bytes& pixels, std::int64_t n, std::int64_t h,
                      std::int64_t w) {
  Crop crop{0, 0, w, h};
  if (input.flag()) {
    crop.x0 = input.below(w + 1), crop.y0 = input.below(h + 1);
    crop.x1 = input.between(crop.x0, w), crop.y1 = input.between(crop.y0, h);
  }
  Bytes inside;
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t y = crop.y0; y < crop.y1; ++y)
      for (std::int64_t x = crop.x0; x < crop.x1; ++x)
        inside.push_back(pixels[static_cast<std::size_t>((i * h + y) * w + x)]);
  const bool is_zero = input.flag();
  at_every_level("decoded pixels", [&] {
    MaskArray dense(false, n, 1, crop.h(), crop.w()), packed(true, n, 1, crop.h(), crop.w());
    if (is_zero) std::fill(dense.dense.begin(), dense.dense.end(), std::uint8_t{0});
    cpu::rle_decode({}, runs.view(), crop, dense.dense.data(), is_zero);
    cpu::rle_decode({}, runs.view(), crop, packed.result().bits());
    expect(dense.is(inside), "decoded pixels");
    expect(packed.is(inside), "decoded bits");
    return true;
  });
}

void compare_measures(const RunArrays& runs, const Bytes& pixels, std::int64_t n, std::int64_t h, std::int64_t w) {
  at_every_level("measures of runs", [&] {
    Array<std::int64_t> areas(n), boxes(4 * n);
    cpu::rle_areas({}, runs.view(), areas.data());
    cpu::rle_boxes({}, runs.view(), boxes.data());
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t area = 0;
      std::array<std::int64_t, 4> box{w, h, 0, 0};
      for (std::int64_t k = 0; k < h * w; ++k) {
        if (pixels[static_cast<std::size_t>(i * h * w + k)] == 0) continue;
        ++area;
        box = {std::min(box[0], k % w), std::min(box[1], k / w), std::max(box[2], k % w + 1),
               std::max(box[3], k / w + 1)};
      }
      if (area == 0) box = {};
      expect(areas[i] == area, "the area of runs");
      expect(std::equal(box.begin(), box.end(), boxes.data() + 4 * i), "the box of runs");
    }
    return true;
  });
}

void compare_sets(Input& input, const RunArrays& a, const Bytes& of_a, std::int64_t n, std::int64_t h, std::int64_t w) {
  const std::int64_t m = input.flag() ? 1 : n, size = h * w;
  const Bytes of_b = mask_pixels(input, m, h, w);
  const RunArrays b(runs_of(of_b, m, h, w), h, w);
  const auto operation = static_cast<SetOperation>(input.below(4));
  const bool swapped = input.flag(), intersect = input.flag();
  const bool empty = n == 0 || m == 0;
  Bytes wanted(static_cast<std::size_t>(empty ? 0 : n * size)),
      merged(static_cast<std::size_t>(size), intersect && n > 0);
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = 0; k < size; ++k) {
      const auto at = static_cast<std::size_t>(i * size + k), there = static_cast<std::size_t>(k);
      const bool p = of_a[at] != 0, q = of_b[static_cast<std::size_t>(m == 1 ? k : i * size + k)] != 0;
      const bool first = swapped ? q : p, second = swapped ? p : q;
      switch (operation) {
        case SetOperation::intersection: wanted[at] = first && second; break;
        case SetOperation::union_: wanted[at] = first || second; break;
        case SetOperation::symmetric_difference: wanted[at] = first != second; break;
        case SetOperation::difference: wanted[at] = first && !second;
      }
      merged[there] = intersect ? merged[there] != 0 && p : merged[there] != 0 || p;
    }
  }
  const Runs combined = runs_of(wanted, n, h, w), whole = runs_of(merged, 1, h, w);
  at_every_level("sets of runs", [&] {
    const FoundRuns runs = swapped ? cpu::rle_combine({}, b.view(), a.view(), operation)
                                   : cpu::rle_combine({}, a.view(), b.view(), operation);
    expect(found(runs) == combined, "a set of runs");
    expect(found(cpu::rle_merge({}, a.view(), intersect)) == whole, "merged runs");
    return true;
  });
}

void compare_overlaps(Input& input, const RunArrays& a, const Bytes& of_a, std::int64_t n, std::int64_t h,
                      std::int64_t w) {
  const bool itself = input.flag();
  const std::int64_t m = itself ? n : input.below(4), size = h * w;
  const Bytes of_b = itself ? of_a : mask_pixels(input, m, h, w);
  const RunArrays b(runs_of(of_b, m, h, w), h, w);
  const ConstRunLengths view = b.view();
  const auto metric = static_cast<OverlapMetric>(input.below(3));
  Array<std::uint8_t> crowds(m);
  for (auto& crowd : crowds) crowd = input.flag();
  const bool has_crowds = input.flag();
  const auto overlaps = at_every_level("overlaps of runs", [&] {
    Array<double> result(n * m);
    cpu::rle_iou({}, a.view(), itself ? nullptr : &view, metric, has_crowds ? crowds.data() : nullptr, result.data());
    return result;
  });
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      std::int64_t both = 0, area_a = 0, area_b = 0;
      for (std::int64_t k = 0; k < size; ++k) {
        const bool p = of_a[static_cast<std::size_t>(i * size + k)] != 0;
        const bool q = of_b[static_cast<std::size_t>(j * size + k)] != 0;
        both += p && q, area_a += p, area_b += q;
      }
      const bool crowd = has_crowds && crowds[j] != 0;
      const std::int64_t whole = crowd || metric == OverlapMetric::iof ? area_a
                                 : metric == OverlapMetric::ios        ? std::min(area_a, area_b)
                                                                       : area_a + area_b - both;
      expect(overlaps[i * m + j] == (whole == 0 ? 0 : static_cast<double>(both) / static_cast<double>(whole)),
             "an overlap of runs");
    }
  }
}

}  // namespace

void run(Input& input) {
  if (input.below(8) == 0) return check_anything(input);
  const std::uint8_t parts = input.byte();
  const std::int64_t n = input.below(input.flag() ? 5 : 2), h = input.extent(200),
                     w = input.extent_beside(h, 600, 10000);
  const bool drawn = input.flag();
  const Bytes before = drawn ? mask_pixels(input, n, h, w) : Bytes{};
  const Runs given = drawn ? runs_of(before, n, h, w) : any_batch(input, n, h, w);
  const Bytes pixels = pixels_of(given, h, w);
  const Runs canonical = runs_of(pixels, n, h, w);
  const RunArrays any(given, h, w), arrays(canonical, h, w);
  at_every_level("canonical runs", [&] {
    expect(found(cpu::rle_canonical({}, any.view())) == canonical, "canonical runs");
    return true;
  });
  if ((parts & 1) != 0) compare_encoders(input, pixels, canonical, n, h, w);
  if ((parts & 2) != 0) compare_decoders(input, arrays, pixels, n, h, w);
  if ((parts & 4) != 0) compare_measures(arrays, pixels, n, h, w);
  if ((parts & 8) != 0) compare_sets(input, arrays, pixels, n, h, w);
  if ((parts & 16) != 0) compare_overlaps(input, arrays, pixels, n, h, w);
}

}  // namespace rapidmask::fuzz
