// Packed words: packing, unpacking, areas, boxes, centroids and morphology against the pixels' own.

#include <algorithm>
#include <cmath>

#include "input.hpp"
#include "rapidmask/measure.hpp"
#include "rapidmask/morphology.hpp"
#include "rapidmask/pack.hpp"

namespace rapidmask::fuzz {
namespace {

struct Extents {
  std::int64_t n, d, h, w;

  std::int64_t pixels() const { return d * h * w; }
};

void compare_packing(const Bytes& pixels, const Extents& e, std::uint8_t foreground) {
  const MaskArray dense(pixels, false, e.n, 1, e.h, e.w, foreground), packed(pixels, true, e.n, 1, e.h, e.w);
  at_every_level("packing", [&] {
    MaskArray bits(true, e.n, 1, e.h, e.w), bytes(false, e.n, 1, e.h, e.w);
    cpu::pack({}, dense.view().bytes(), bits.result().bits());
    expect(bits == packed, "packed pixels");
    cpu::unpack({}, packed.view().bits(), bytes.dense.data());
    expect(bytes.is(pixels), "unpacked pixels");
    return true;
  });
}

void compare_measures(const Bytes& pixels, const Extents& e, std::uint8_t foreground) {
  const MaskArray dense(pixels, false, e.n, 1, e.h, e.w, foreground), packed(pixels, true, e.n, 1, e.h, e.w);
  Array<std::int64_t> areas(e.n, 0), boxes(4 * e.n, 0);
  Array<double> centroids(2 * e.n);
  for (std::int64_t i = 0; i < e.n; ++i) {
    std::int64_t sums[2]{0, 0}, *box = boxes.data() + 4 * i;
    for (std::int64_t k = 0; k < e.h * e.w; ++k) {
      if (pixels[static_cast<std::size_t>(i * e.h * e.w + k)] == 0) continue;
      const std::int64_t y = k / e.w, x = k % e.w;
      if (areas[i]++ == 0) box[0] = x, box[1] = y;
      box[0] = std::min(box[0], x), box[2] = std::max(box[2], x + 1), box[3] = y + 1;
      sums[0] += y, sums[1] += x;
    }
    for (int axis = 0; axis < 2; ++axis) {
      centroids[2 * i + axis] =
          areas[i] == 0 ? std::nan("") : static_cast<double>(sums[axis]) / static_cast<double>(areas[i]);
    }
  }
  at_every_level("measures", [&] {
    for (const MaskArray* masks : {&dense, &packed}) {
      Array<std::int64_t> own_areas(e.n), own_boxes(4 * e.n);
      Array<double> own_centroids(2 * e.n);
      if (masks->packed) {
        cpu::mask_areas({}, masks->view().bits(), own_areas.data());
        cpu::masks_to_boxes({}, masks->view().bits(), own_boxes.data());
        cpu::mask_centroids({}, masks->view().bits(), own_centroids.data());
      } else {
        cpu::mask_areas({}, masks->view().bytes(), own_areas.data());
        cpu::masks_to_boxes({}, masks->view().bytes(), own_boxes.data());
        cpu::mask_centroids({}, masks->view().bytes(), own_centroids.data());
      }
      expect(own_areas == areas, "areas");
      expect(own_boxes == boxes, "boxes");
      expect(own_centroids == centroids, "centroids");
    }
    return true;
  });
}

// One dilation or erosion of one mask.
Bytes step(const Bytes& mask, const Extents& e, const Footprint& footprint, bool erodes, bool outside) {
  Bytes result(mask.size());
  for (std::int64_t p = 0; p < e.pixels(); ++p) {
    bool value = erodes;
    for (std::int64_t k = 0; k < footprint.d * footprint.h * footprint.w; ++k) {
      if (footprint.elements[k] == 0) continue;
      const std::int64_t sign = erodes ? 1 : -1;
      const std::int64_t z = p / (e.h * e.w) + sign * (k / (footprint.h * footprint.w) - footprint.d / 2);
      const std::int64_t y = p / e.w % e.h + sign * (k / footprint.w % footprint.h - footprint.h / 2);
      const std::int64_t x = p % e.w + sign * (k % footprint.w - footprint.w / 2);
      const bool inside = z >= 0 && z < e.d && y >= 0 && y < e.h && x >= 0 && x < e.w;
      const bool source = inside ? mask[static_cast<std::size_t>((z * e.h + y) * e.w + x)] != 0 : outside;
      value = erodes ? value && source : value || source;
    }
    result[static_cast<std::size_t>(p)] = value;
  }
  return result;
}

Bytes morphology(const Bytes& mask, const Extents& e, const MorphologySettings& settings) {
  const auto repeat = [&](Bytes from, bool erodes) {
    for (std::int64_t i = 0; i < settings.iterations; ++i) {
      const bool outside = settings.border == Border::ignore ? erodes : settings.border == Border::ones;
      from = step(from, e, settings.footprint, erodes, outside);
    }
    return from;
  };
  const auto less = [](Bytes a, const Bytes& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = a[i] != 0 && b[i] == 0;
    return a;
  };
  switch (settings.operation) {
    case Morphology::dilate: return repeat(mask, false);
    case Morphology::erode: return repeat(mask, true);
    case Morphology::opening: return repeat(repeat(mask, true), false);
    case Morphology::closing: return repeat(repeat(mask, false), true);
    case Morphology::gradient: return less(repeat(mask, false), repeat(mask, true));
    case Morphology::white_tophat: return less(mask, repeat(repeat(mask, true), false));
    case Morphology::black_tophat: return less(repeat(repeat(mask, false), true), mask);
    case Morphology::boundary: break;
  }
  return less(mask, repeat(mask, true));
}

void compare_morphology(Input& input, const Bytes& pixels, const Extents& e, std::uint8_t foreground) {
  const bool packed = input.flag();
  const std::int64_t d = e.d == 1 ? 1 : input.below(4), most = input.pick<std::int64_t>({3, 3, 5, 9, 21, 127});
  const std::int64_t h = input.below(most + 1), w = input.below(most + 1);
  Array<std::uint8_t> elements(d * h * w);
  const auto kind = input.below(4);
  Noise noise(input);
  for (std::int64_t i = 0; i < elements.size(); ++i) {
    elements[i] = kind == 0   ? 1
                  : kind == 1 ? noise.below(4) == 0
                  : kind == 2 ? i / w % h == h / 2 || i % w == w / 2
                              : input.byte() % 3;
  }
  const MorphologySettings settings{static_cast<Morphology>(input.below(8)),
                                    {elements.data(), d, h, w},
                                    input.pick<std::int64_t>({0, 1, 1, 1, 2, 3, 70}),
                                    static_cast<Border>(input.below(3))};
  const MaskArray masks(pixels, packed, e.n, e.d, e.h, e.w, foreground);
  const auto result = at_every_level("morphology", [&] {
    MaskArray own(packed, e.n, e.d, e.h, e.w);
    cpu::morphology({}, masks.view(), settings, own.result());
    return own;
  });
  const std::int64_t set = std::count_if(elements.begin(), elements.end(), [](std::uint8_t x) { return x != 0; });
  if (e.n * e.pixels() * set * settings.iterations > 1000000) return;
  Bytes wanted;
  for (std::int64_t i = 0; i < e.n; ++i) {
    const Bytes mask(pixels.begin() + i * e.pixels(), pixels.begin() + (i + 1) * e.pixels());
    const Bytes one = morphology(mask, e, settings);
    wanted.insert(wanted.end(), one.begin(), one.end());
  }
  expect(result.is(wanted), "morphology");
}

}  // namespace

void run(Input& input) {
  const auto part = input.below(4);
  const bool volume = part >= 2 && input.below(4) == 0;
  const std::int64_t n = input.below(input.flag() ? 4 : 2), d = volume ? input.between(2, 5) : 1;
  const std::int64_t h = input.extent(part >= 2 ? 40 : 150), w = input.extent_beside(h, part >= 2 ? 260 : 600, 10000);
  const Extents e{n, d, h, w};
  const std::uint8_t foreground = foreground_byte(input);
  if (part >= 2) {
    const Bytes parameters = [&] {
      Bytes bytes;
      for (int i = 0; i < 40; ++i) bytes.push_back(input.byte());
      return bytes;
    }();
    Input settings(parameters.data(), parameters.size());
    return compare_morphology(settings, mask_pixels(input, n * d, h, w), e, foreground);
  }
  const Bytes pixels = mask_pixels(input, n, h, w);
  part == 0 ? compare_packing(pixels, e, foreground) : compare_measures(pixels, e, foreground);
}

}  // namespace rapidmask::fuzz
