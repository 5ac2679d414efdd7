// Pairs of labels at the same pixel, counted: confusion matrices, and overlaps of the segments of two label maps.
//
// A confusion matrix has a row for each class of the target and a column for each of the prediction. A pixel whose
// target is the label to ignore counts nowhere; any other pixel with a label outside [0, classes) is counted as invalid
// and not in the matrix.
//
// Overlaps are counted between listed labels: those of the target by rows, those of the prediction by columns, in the
// order of the lists, which ascend; the last row and column are those of every label that is not listed.
#pragma once

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

// Two label maps of as many pixels, of any integer type.
struct LabelPairs {
  const void* prediction;
  const void* target;
  DType prediction_dtype, target_dtype;
  std::int64_t count;
};

struct Classes {
  std::int64_t count;
  bool ignores;
  std::int64_t ignored;  // of the target

  // Classes, then the code of what is ignored, then that of what is invalid.
  RM_HOST_DEVICE std::int64_t codes() const { return count + 2; }
  RM_HOST_DEVICE std::int64_t code(std::int64_t label, bool is_target) const {
    if (is_target && ignores && label == ignored) return count;
    return label >= 0 && label < count ? label : count + 1;
  }
};

inline constexpr std::int64_t kMostClasses = 32766;  // codes have 15 bits

// A label of any integer type as int64. Unsigned ones beyond it become one that no list holds.
inline constexpr std::int64_t kBeyondLabels = -0x7fffffffffffffff - 1;
RM_HOST_DEVICE std::int64_t as_label(std::uint64_t label) {
  return label >> 63 != 0 ? kBeyondLabels : static_cast<std::int64_t>(label);
}
RM_HOST_DEVICE std::int64_t label_at(const void* labels, DType dtype, std::int64_t i) {
  switch (dtype) {
    case DType::boolean: return static_cast<const std::uint8_t*>(labels)[i] != 0;
    case DType::uint8: return static_cast<const std::uint8_t*>(labels)[i];
    case DType::int8: return static_cast<const std::int8_t*>(labels)[i];
    case DType::uint16: return static_cast<const std::uint16_t*>(labels)[i];
    case DType::int16: return static_cast<const std::int16_t*>(labels)[i];
    case DType::uint32: return static_cast<const std::uint32_t*>(labels)[i];
    case DType::int32: return static_cast<const std::int32_t*>(labels)[i];
    case DType::uint64: return as_label(static_cast<const std::uint64_t*>(labels)[i]);
    default: return static_cast<const std::int64_t*>(labels)[i];
  }
}

// Labels that ascend. A label's place among them, `count` where it is none of them.
struct LabelList {
  const std::int64_t* labels;
  std::int64_t count;

  RM_HOST_DEVICE std::int64_t place(std::int64_t label) const {
    std::int64_t low = 0, high = count;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (labels[middle] < label) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low < count && labels[low] == label ? low : count;
  }
};

namespace cpu {
// `matrix` has classes.count² elements; `invalid`, one, may be null.
void confusion_matrix(const Context&, const LabelPairs& pairs, const Classes& classes, std::int64_t* matrix,
                      std::int64_t* invalid);
// `overlaps` has (target.count + 1) · (prediction.count + 1) elements.
void label_overlaps(const Context&, const LabelPairs& pairs, const LabelList& prediction, const LabelList& target,
                    std::int64_t* overlaps);
}  // namespace cpu

namespace cuda {
void confusion_matrix(const Context&, const LabelPairs& pairs, const Classes& classes, std::int64_t* matrix,
                      std::int64_t* invalid);
void label_overlaps(const Context&, const LabelPairs& pairs, const LabelList& prediction, const LabelList& target,
                    std::int64_t* overlaps);
}  // namespace cuda

}  // namespace rapidmask
