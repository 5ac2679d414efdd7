// What decoders give: masks in every form, with their areas, boxes and stability.
#pragma once

#include "rapidmask/bilinear_value.hpp"
#include "rapidmask/upsample.hpp"
#include "runs.hpp"

namespace rapidmask::fuzz {

struct Decoded {
  std::int64_t n, h, w;
  Bytes pixels;
  Array<std::int64_t> areas, boxes;
  Array<float> stability;

  // value(i, y, x) is what is compared, NaN where nothing can be foreground.
  template <class Value>
  Decoded(std::int64_t n_, std::int64_t h_, std::int64_t w_, const Foreground& foreground, const Value& value)
      : n(n_), h(h_), w(w_), areas(n, 0), boxes(4 * n, 0), stability(n) {
    for (std::int64_t i = 0; i < n; ++i) {
      std::int64_t high = 0, low = 0, *box = boxes.data() + 4 * i;
      for (std::int64_t k = 0; k < h * w; ++k) {
        const std::int64_t y = k / w, x = k % w;
        const float v = value(i, y, x);
        pixels.push_back(foreground(v));
        high += foreground.above(v, foreground.high), low += foreground.above(v, foreground.low);
        if (pixels.back() == 0) continue;
        if (areas[i]++ == 0) box[0] = x, box[1] = y;
        box[0] = std::min(box[0], x), box[2] = std::max(box[2], x + 1), box[3] = y + 1;
      }
      stability[i] = stability_of(high, low);
    }
  }

  // draw(output, statistics, is_zero) writes dense or packed masks, encode(statistics) gives runs.
  template <class Draw, class Encode>
  void expect_of(bool with_statistics, bool with_stability, bool is_zero, const Draw& draw,
                 const Encode& encode) const {
    const Runs runs = runs_of(pixels, n, h, w);
    at_every_level("decoded masks", [&] {
      for (const int form : {0, 1, 2}) {
        Array<std::int64_t> own_areas(with_statistics ? n : 0), own_boxes(with_statistics ? 4 * n : 0);
        Array<float> own_stability(with_stability ? n : 0);
        const MaskStatistics statistics{with_statistics ? own_areas.data() : nullptr,
                                        with_statistics ? own_boxes.data() : nullptr,
                                        with_stability ? own_stability.data() : nullptr};
        if (form == 2) {
          expect(found(encode(statistics)) == runs, "decoded runs");
        } else {
          MaskArray own(form == 1, n, 1, h, w);
          if (is_zero) {
            std::fill(own.dense.begin(), own.dense.end(), std::uint8_t{0});
            std::fill(own.words.begin(), own.words.end(), std::uint64_t{0});
          }
          draw({form == 0 ? own.dense.data() : nullptr, form == 1 ? own.words.data() : nullptr}, statistics, is_zero);
          expect(own.is(pixels), form == 0 ? "decoded pixels" : "decoded bits");
        }
        if (with_statistics) expect(own_areas == areas && own_boxes == boxes, "areas and boxes of decoded masks");
        if (with_stability) expect(own_stability == stability, "stability of decoded masks");
      }
      return true;
    });
  }
};

template <class T>
float widened(T x) {
  if constexpr (std::is_same_v<T, float>) {
    return x;
  } else {
    return to_float(x);
  }
}

inline Foreground any_foreground(Input& input) {
  const auto threshold = as_value<float>(input.flag() ? 0.0 : input.number());
  const auto offset = static_cast<float>(input.below(9)) / 8;
  return {threshold, threshold + offset, threshold - offset, input.flag()};
}

// The values of planes of w columns, resized once or twice.
class Resized {
 public:
  Resized(const ResizeAxis& rows, const ResizeAxis& columns) : w_(columns.in) {
    for (std::int64_t y = 0; y < rows.out; ++y) rows_.push_back(resize_tap(y, rows));
    for (std::int64_t x = 0; x < columns.out; ++x) columns_.push_back(resize_tap(x, columns));
  }
  float operator()(const float* plane, std::int64_t y, std::int64_t x) const {
    const ResizeTap &by_y = rows_[static_cast<std::size_t>(y)], &by_x = columns_[static_cast<std::size_t>(x)];
    const auto middle = [&](int i, int j) { return bilinear_value(plane, w_, by_y.inputs[i], by_x.inputs[j]); };
    const auto along = [&](int i) {
      return by_x.middle.second_weight == 0 ? middle(i, 0) : bilinear_mix(by_x.middle, middle(i, 0), middle(i, 1));
    };
    return by_y.middle.second_weight == 0 ? along(0) : bilinear_mix(by_y.middle, along(0), along(1));
  }

 private:
  std::int64_t w_;
  std::vector<ResizeTap> rows_, columns_;
};

}  // namespace rapidmask::fuzz
