// The pixel loops of confusion matrices, compiled once per instruction level (RM_LEVEL).
//
// Label maps are mostly flat: 64 pairs at a time are compared with those before them, and what does not change is
// counted as runs. Where much changes, pairs are counted one by one.

#include "isa/confusion_rows.hpp"

#include <type_traits>

#include "isa/bits.hpp"

namespace rapidmask {
namespace {

// Runs of fewer pixels than this, on average over 64, cost more than single pairs.
constexpr int kMostRuns = 20;

template <class T, class Code>
void encode(const void* labels, std::int64_t count, const Classes& classes, bool is_target, Code* __restrict codes) {
  using U = std::make_unsigned_t<T>;
  const auto* __restrict values = static_cast<const T*>(labels);
  // As unsigned numbers negative labels are above all classes.
  constexpr auto kLargest = static_cast<std::uint64_t>(static_cast<U>(~U{0}) >> std::is_signed_v<T>);
  const auto wanted = static_cast<std::uint64_t>(classes.count - 1);
  const auto last = static_cast<U>(wanted < kLargest ? wanted : kLargest);
  const auto invalid = static_cast<Code>(classes.count + 1), skipped = static_cast<Code>(classes.count);
  const auto ignored = static_cast<T>(classes.ignored);
  const bool ignores = is_target && classes.ignores && static_cast<std::int64_t>(ignored) == classes.ignored &&
                       (classes.ignored >= 0 || std::is_signed_v<T>);
  if (ignores) {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto label = static_cast<U>(values[i]);
      const Code code = label <= last ? static_cast<Code>(label) : invalid;
      codes[i] = values[i] == ignored ? skipped : code;
    }
  } else {
    for (std::int64_t i = 0; i < count; ++i) {
      const auto label = static_cast<U>(values[i]);
      codes[i] = label <= last ? static_cast<Code>(label) : invalid;
    }
  }
}

template <class Code>
void encode_booleans(const void* labels, std::int64_t count, const Classes& classes, bool is_target, Code* codes) {
  const auto* values = static_cast<const std::uint8_t*>(labels);
  const auto no = static_cast<Code>(classes.code(0, is_target)), yes = static_cast<Code>(classes.code(1, is_target));
  for (std::int64_t i = 0; i < count; ++i) codes[i] = values[i] != 0 ? yes : no;
}

template <class T>
void widen(const void* labels, std::int64_t count, std::int64_t* wide) {
  const auto* values = static_cast<const T*>(labels);
  for (std::int64_t i = 0; i < count; ++i) {
    if constexpr (std::is_same_v<T, std::uint64_t>) {
      wide[i] = as_label(values[i]);
    } else {
      wide[i] = static_cast<std::int64_t>(values[i]);
    }
  }
}

void widen_booleans(const void* labels, std::int64_t count, std::int64_t* wide) {
  for (std::int64_t i = 0; i < count; ++i) wide[i] = static_cast<const std::uint8_t*>(labels)[i] != 0;
}

// Bit k tells whether pair k of up to 64 differs from that before it.
template <class T>
inline std::uint64_t changes(const T* target, const T* prediction, std::int64_t count) {
#if defined(__AVX512BW__)
  if (count >= 64) {
    constexpr int kLanes = 64 / sizeof(T);
    const auto differ = [](const T* values) -> std::uint64_t {
      const __m512i here = _mm512_loadu_si512(values), before = _mm512_loadu_si512(values - 1);
      if constexpr (sizeof(T) == 1) return _mm512_cmpneq_epi8_mask(here, before);
      if constexpr (sizeof(T) == 2) return _mm512_cmpneq_epi16_mask(here, before);
      return _mm512_cmpneq_epi64_mask(here, before);
    };
    std::uint64_t mask = 0;
    for (int k = 0; k < 64; k += kLanes) mask |= (differ(target + k) | differ(prediction + k)) << k;
    return mask;
  }
#endif
  std::uint8_t differs[64] = {};
  if (count >= 64) {
    for (int k = 0; k < 64; ++k) {
      differs[k] = static_cast<std::uint8_t>((target[k] != target[k - 1]) | (prediction[k] != prediction[k - 1]));
    }
  } else {
    for (std::int64_t k = 0; k < count; ++k) {
      differs[k] = static_cast<std::uint8_t>((target[k] != target[k - 1]) | (prediction[k] != prediction[k - 1]));
    }
  }
  return pack64(differs);
}

// Calls run(i, length) for runs of pairs equal to pair i, which cover all of them; where 64 pairs change more than
// `most` times, block(i) instead.
template <class T, class Run, class Block>
inline void for_pairs(const T* target, const T* prediction, std::int64_t count, int most, const Run& run,
                      const Block& block) {
  std::int64_t begin = 0;  // of pairs that are not counted yet, all equal
  for (std::int64_t i = 0; i < count; i += 64) {
    std::uint64_t mask = changes(target + i, prediction + i, count - i);
    if (mask == 0) continue;
    if (__builtin_popcountll(mask) > most && count - i >= 64) {
      if (begin < i) run(begin, i - begin);
      block(i);
      begin = i + 64;
      continue;
    }
    for (; mask != 0; mask &= mask - 1) {
      const std::int64_t end = i + __builtin_ctzll(mask);
      if (begin < end) run(begin, end - begin);
      begin = end;
    }
  }
  if (begin < count) run(begin, count - begin);
}

template <int copies, class Code>
void count_codes(const Code* target, const Code* prediction, std::int64_t count, const PairBins& bins) {
  const std::int64_t side = bins.side, size = side * side;
  std::uint32_t* const counts = bins.counts;
  const auto run = [&](std::int64_t i, std::int64_t length) {
    counts[target[i] * side + prediction[i]] += static_cast<std::uint32_t>(length);
  };
  const auto block = [&](std::int64_t i) {
    // A byte's pairs have numbers of two: its codes are at most 256.
    using Index = std::conditional_t<sizeof(Code) == 1, std::uint16_t, std::uint32_t>;
    Index indices[64];
    for (int k = 0; k < 64; ++k) {
      indices[k] = static_cast<Index>(target[i + k] * static_cast<Index>(side) + prediction[i + k]);
    }
    for (int k = 0; k < 64; k += copies) {
      for (int c = 0; c < copies; ++c) ++counts[c * size + indices[k + c]];
    }
  };
  for_pairs(target, prediction, count, kMostRuns, run, block);
}

template <class Code>
void count(const Code* target, const Code* prediction, std::int64_t count, const PairBins& bins) {
  if (bins.copies == 4) {
    count_codes<4>(target, prediction, count, bins);
  } else if (bins.copies == 2) {
    count_codes<2>(target, prediction, count, bins);
  } else {
    count_codes<1>(target, prediction, count, bins);
  }
}

// Places of labels in a list, of which those found last are kept: a search takes 30 ns, and labels come again soon.
class Places {
 public:
  explicit Places(const LabelList& list) : list_(list) {
    const std::int64_t place = list.place(0);
    for (Known& known : known_) known = {0, place};
  }
  std::int64_t operator()(std::int64_t label) {
    Known& known = known_[static_cast<std::uint64_t>(label) * 0x9e3779b97f4a7c15u >> 56];
    if (known.label != label) known = {label, list_.place(label)};
    return known.place;
  }

 private:
  struct Known {
    std::int64_t label, place;
  };
  const LabelList& list_;
  Known known_[256];
};

void count_labels(const std::int64_t* target, const std::int64_t* prediction, std::int64_t count,
                  const LabelList& targets, const LabelList& predictions, std::int64_t* overlaps) {
  Places row(targets), column(predictions);
  const auto run = [&](std::int64_t i, std::int64_t length) {
    overlaps[row(target[i]) * (predictions.count + 1) + column(prediction[i])] += length;
  };
  for_pairs(target, prediction, count, 64, run, [](std::int64_t) {});
}

template <class... T>
constexpr ConfusionRows make_table() {
  return {{encode_booleans<std::uint8_t>, encode<T, std::uint8_t>...},
          {encode_booleans<std::uint16_t>, encode<T, std::uint16_t>...},
          {widen_booleans, widen<T>...},
          count<std::uint8_t>,
          count<std::uint16_t>,
          count_labels};
}

}  // namespace

namespace RM_LEVEL {
extern const ConfusionRows confusion_rows;
// In the order of DType.
const ConfusionRows confusion_rows = make_table<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t,
                                                std::int32_t, std::uint64_t, std::int64_t>();
}  // namespace RM_LEVEL

}  // namespace rapidmask
