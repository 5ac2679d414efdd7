// Class maps: for each pixel the class of the highest score, from logits of another size.
//
// The score of class c at a pixel is the bilinear interpolation (bilinear.hpp) of plane c of the logits, and the value
// itself where the sizes are equal. Of the classes that may win, the one of the highest score does, of equal scores the
// lowest class; NaN never wins. The pixel is void where no class may win, all scores are NaN, or the highest is below
// the least that is asked for.
//
// Queries (MaskFormer, B. Cheng, A. Schwing, A. Kirillov, NeurIPS 2021) are classes and masks apart: with p[q, c] the
// softmax of query q's class logits, whose last class stands for no object, and s[q] the logistic function of its mask
// logits, the score of class c is the sum of p[q, c]·s[q] over the queries, in their order and in float32.
#pragma once

#include <cstdint>

#include "rapidmask/bilinear_value.hpp"
#include "rapidmask/context.hpp"
#include "rapidmask/portable_expf.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Which classes may win (ascending), the least score, and what is written where none does.
struct ClassRule {
  const std::int32_t* classes;
  std::int64_t count;
  float least;
  std::int32_t void_label;
};

// An array of labels (n, h, w) of uint8, int16, int32 or int64.
struct LabelImages {
  void* data;
  DType dtype;
  std::int64_t n, h, w;

  RM_HOST_DEVICE std::int64_t image_size() const { return h * w; }
};

// The winner so far.
struct BestClass {
  float score = 0;
  std::int32_t label = -1;  // none yet

  RM_HOST_DEVICE void take(float other, std::int32_t class_of_other) {
    if (label < 0 ? other != other : !(other > score)) return;
    score = other;
    label = class_of_other;
  }
  RM_HOST_DEVICE std::int32_t label_by(const ClassRule& rule) const {
    return label < 0 || score < rule.least ? rule.void_label : label;
  }
};

// Writes softmax(logits)[:-1] of `classes` + 1 logits.
template <class T>
RM_HOST_DEVICE void object_probabilities(const T* logits, std::int64_t classes, float* probabilities) {
  const auto at = [&](std::int64_t c) {
    if constexpr (std::is_same_v<T, float>) {
      return logits[c];
    } else {
      return to_float(logits[c]);
    }
  };
  float highest = at(0);
  for (std::int64_t c = 1; c <= classes; ++c) highest = at(c) > highest ? at(c) : highest;
  float sum = 0;
  for (std::int64_t c = 0; c <= classes; ++c) sum += portable_exp(at(c) - highest);
  for (std::int64_t c = 0; c < classes; ++c) probabilities[c] = portable_exp(at(c) - highest) / sum;
}

// Planes at the size (height, width), of which rows · columns from the top left are kept.
struct Staging {
  std::int64_t height, width, rows, columns;
};

// Logits are float16, bfloat16 or float32: `labels.n` images of `classes` planes each; class logits n images of q rows
// of classes + 1, mask logits n·q planes.
namespace cpu {
void semantic_argmax(const Context&, const Image& logits, std::int64_t classes, const ClassRule& rule,
                     const LabelImages& labels);
void semantic_scores(const Context&, const Image& class_logits, const Image& mask_logits, float* scores);
// The classes of the scores of queries whose masks are staged, without these: bounds leave few classes for most pixels.
void semantic_queries(const Context&, const Image& class_logits, const Image& mask_logits, const Staging& stage,
                      const ClassRule& rule, const LabelImages& labels);
// The planes at the size (height, width), as far as `resized` reaches from the top left.
void resize_planes(const Context&, const Image& planes, std::int64_t height, std::int64_t width,
                   const View<float>& resized);
}  // namespace cpu

namespace cuda {
void semantic_argmax(const Context&, const Image& logits, std::int64_t classes, const ClassRule& rule,
                     const LabelImages& labels);
void semantic_scores(const Context&, const Image& class_logits, const Image& mask_logits, float* scores);
void resize_planes(const Context&, const Image& planes, std::int64_t height, std::int64_t width,
                   const View<float>& resized);
}  // namespace cuda

}  // namespace rapidmask
