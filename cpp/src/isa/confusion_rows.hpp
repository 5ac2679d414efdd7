// The pixel loops of confusion matrices, one table per instruction level.
#pragma once

#include <cstdint>

#include "rapidmask/confusion.hpp"

namespace rapidmask {

// Counts in bins, uint32, of which pair (target, prediction) is number target · side + prediction. There are `copies`
// of them, 1, 2 or 4, so that equal neighbours do not wait for each other.
struct PairBins {
  std::uint32_t* counts;
  std::int64_t side;
  int copies;
};

struct ConfusionRows {
  static constexpr int kTypes = 9;  // indexed by DType: the integers

  // Labels as codes of one byte or of two; `is_target` as Classes::code has it.
  void (*encode_bytes[kTypes])(const void* labels, std::int64_t count, const Classes& classes, bool is_target,
                               std::uint8_t* codes);
  void (*encode_shorts[kTypes])(const void* labels, std::int64_t count, const Classes& classes, bool is_target,
                                std::uint16_t* codes);
  void (*widen[kTypes])(const void* labels, std::int64_t count, std::int64_t* wide);

  // Counts pairs of codes: fewer than 2^32. What lies before the first of each array is read and decides nothing.
  void (*count_bytes)(const std::uint8_t* target, const std::uint8_t* prediction, std::int64_t count,
                      const PairBins& bins);
  void (*count_shorts)(const std::uint16_t* target, const std::uint16_t* prediction, std::int64_t count,
                       const PairBins& bins);
  // The same of labels, to `overlaps`.
  void (*count_labels)(const std::int64_t* target, const std::int64_t* prediction, std::int64_t count,
                       const LabelList& targets, const LabelList& predictions, std::int64_t* overlaps);
};

const ConfusionRows& confusion_rows();

}  // namespace rapidmask
