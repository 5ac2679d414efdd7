// Confusion matrices and overlaps on the CPU: bands of pixels over the pool, each with bins of its own.

#include "rapidmask/confusion.hpp"

#include <algorithm>
#include <mutex>
#include <vector>

#include "isa/confusion_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 18;                     // pixels, some 100 µs of work
constexpr std::int64_t kChunk = 4096;                        // pixels whose codes stay in the first cache
constexpr std::int64_t kMostOfABin = std::int64_t{1} << 31;  // pixels before bins are emptied

const void* at(const void* labels, DType dtype, std::int64_t i) {
  return static_cast<const std::byte*>(labels) + i * static_cast<std::int64_t>(item_size(dtype));
}

// Codes of one chunk, behind one that is read and decides nothing.
template <class Code>
struct Codes {
  Code values[kChunk + 1] = {};
  Code* begin() { return values + 1; }
};

template <class Code>
void count_pairs(const LabelPairs& pairs, const Classes& classes, std::int64_t begin, std::int64_t end,
                 const PairBins& bins) {
  const ConfusionRows& rows = confusion_rows();
  Codes<Code> target, prediction;
  const auto encode = [&](const void* labels, DType dtype, std::int64_t i, std::int64_t count, bool is_target,
                          Codes<Code>& codes) {
    const auto type = static_cast<std::size_t>(dtype);
    if constexpr (sizeof(Code) == 1) {
      rows.encode_bytes[type](at(labels, dtype, i), count, classes, is_target, codes.begin());
    } else {
      rows.encode_shorts[type](at(labels, dtype, i), count, classes, is_target, codes.begin());
    }
  };
  for (std::int64_t i = begin; i < end; i += kChunk) {
    const std::int64_t count = std::min(kChunk, end - i);
    encode(pairs.target, pairs.target_dtype, i, count, true, target);
    encode(pairs.prediction, pairs.prediction_dtype, i, count, false, prediction);
    if constexpr (sizeof(Code) == 1) {
      rows.count_bytes(target.begin(), prediction.begin(), count, bins);
    } else {
      rows.count_shorts(target.begin(), prediction.begin(), count, bins);
    }
  }
}

// Adds the bins of all copies to the matrix and empties them.
void add_bins(const PairBins& bins, const Classes& classes, std::int64_t* matrix, std::int64_t* invalid) {
  const std::int64_t side = bins.side, size = side * side;
  for (std::int64_t copy = 1; copy < bins.copies; ++copy) {
    for (std::int64_t k = 0; k < size; ++k) bins.counts[k] += bins.counts[copy * size + k];
  }
  std::int64_t beyond = 0;
  for (std::int64_t row = 0; row < side; ++row) {
    const std::uint32_t* counts = bins.counts + row * side;
    if (row == classes.count) continue;  // what is ignored
    if (row < classes.count) {
      for (std::int64_t k = 0; k < classes.count; ++k) matrix[row * classes.count + k] += counts[k];
      beyond += counts[classes.count + 1];
    } else {
      for (std::int64_t k = 0; k < side; ++k) beyond += counts[k];
    }
  }
  if (invalid != nullptr) *invalid += beyond;
  std::fill_n(bins.counts, bins.copies * size, 0u);
}

}  // namespace

void confusion_matrix(const Context&, const LabelPairs& pairs, const Classes& classes, std::int64_t* matrix,
                      std::int64_t* invalid) {
  std::fill_n(matrix, classes.count * classes.count, std::int64_t{0});
  if (invalid != nullptr) *invalid = 0;
  const std::int64_t side = classes.codes(), size = side * side;
  std::mutex mutex;
  parallel_for(pairs.count, std::max(kGrain, 4 * size), [&](std::int64_t begin, std::int64_t end) {
    const int copies = end - begin < 16 * size ? 1 : side <= 64 ? 4 : 2;
    std::vector<std::uint32_t> counts(static_cast<std::size_t>(copies * size));
    const PairBins bins{counts.data(), side, copies};
    for (std::int64_t i = begin; i < end; i += kMostOfABin) {
      const std::int64_t stop = std::min(end, i + kMostOfABin);
      if (side <= 256) {
        count_pairs<std::uint8_t>(pairs, classes, i, stop, bins);
      } else {
        count_pairs<std::uint16_t>(pairs, classes, i, stop, bins);
      }
      const std::lock_guard lock(mutex);
      add_bins(bins, classes, matrix, invalid);
    }
  });
}

void label_overlaps(const Context&, const LabelPairs& pairs, const LabelList& prediction, const LabelList& target,
                    std::int64_t* overlaps) {
  const std::int64_t size = (target.count + 1) * (prediction.count + 1);
  std::fill_n(overlaps, size, std::int64_t{0});
  std::mutex mutex;
  parallel_for(pairs.count, std::max(kGrain, 4 * size), [&](std::int64_t begin, std::int64_t end) {
    const ConfusionRows& rows = confusion_rows();
    std::vector<std::int64_t> counts(static_cast<std::size_t>(size));
    constexpr std::int64_t kLabels = kChunk;
    std::int64_t targets[kLabels + 1] = {}, predictions[kLabels + 1] = {};
    for (std::int64_t i = begin; i < end; i += kLabels) {
      const std::int64_t count = std::min(kLabels, end - i);
      rows.widen[static_cast<std::size_t>(pairs.target_dtype)](at(pairs.target, pairs.target_dtype, i), count,
                                                               targets + 1);
      rows.widen[static_cast<std::size_t>(pairs.prediction_dtype)](at(pairs.prediction, pairs.prediction_dtype, i),
                                                                   count, predictions + 1);
      rows.count_labels(targets + 1, predictions + 1, count, target, prediction, counts.data());
    }
    const std::lock_guard lock(mutex);
    for (std::int64_t k = 0; k < size; ++k) overlaps[k] += counts[static_cast<std::size_t>(k)];
  });
}

}  // namespace rapidmask::cpu
