// Rows of columns that are mixed along, and pairs of such rows that are mixed across and compared.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include "isa/limit.hpp"
#include "isa/row_pair.hpp"

namespace rapidmask {
namespace {

// Row `number` of a pair, which make(to) makes if it is not there. Row `other` stays.
template <class Make>
inline const float* row_of(RowPair& pair, std::int64_t number, std::int64_t other, const Make& make) {
  for (int k = 0; k < 2; ++k) {
    if (pair.numbers[k] == number) return pair.rows[k];
  }
  const int k = pair.numbers[0] == other ? 1 : 0;
  make(pair.rows[k]);
  pair.numbers[k] = number;
  return pair.rows[k];
}

// Two columns of an input row, mixed for every column of a block.
struct Mixture {
  Indices first, second;
  Block first_weight, second_weight;
  Lanes mixed;

  Mixture(const std::int32_t* indices, const float* second_weights) {
    choose(indices);
    weigh(second_weights);
  }
  void choose(const std::int32_t* indices) {
    first = load_indices(indices);
    second = load_indices(indices + kBlock);
  }
  void weigh(const float* second_weights) {
    second_weight = load_block(second_weights);
    first_weight = splat_block(1) - second_weight;
    mixed = nonzero_lanes(second_weight);
  }
  template <bool kInWindow>
  Block of(const float* window) const {
    if constexpr (kInWindow) {
      const Block columns = load_block(window);
      return mix(at(columns, first), at(columns, second), first_weight, second_weight, mixed);
    } else {
      return mix(gather(window, first), gather(window, second), first_weight, second_weight, mixed);
    }
  }
};

// The bits of [begin, end) within word k.
inline std::uint64_t bits_within(std::int64_t k, std::int64_t begin, std::int64_t end) {
  std::uint64_t bits = ~std::uint64_t{0};
  if (64 * k < begin) bits = bits << (begin - 64 * k);
  if (64 * (k + 1) > end) bits &= ~std::uint64_t{0} >> (64 * (k + 1) - end);
  return bits;
}

// Columns [begin, end) of two rows that are mixed, and others of their blocks.
inline void mix_across(const float* first, const float* second, float first_weight, float second_weight,
                       std::int64_t begin, std::int64_t end, float* to) {
  const Block first_weights = splat_block(first_weight), second_weights = splat_block(second_weight);
  for (std::int64_t x = begin / kBlock * kBlock; x < end; x += kBlock) {
    store_block(to + x, first_weights * load_block(first + x) + second_weights * load_block(second + x));
  }
}

// Which columns of [begin, end), more than none, are beyond a limit once two rows are mixed, or of the first alone if
// the weight of the other is 0: their words, whose other bits are 0. Rows have no NaN, and are readable as far as these
// words reach, `kFourfold` or column by column. Calls count(k, values, bits) for each.
template <bool kMixed, bool kShifted, bool kFourfold, class Count>
inline void compare_as(const float* first, const float* second, float first_weight, float second_weight,
                       const Limit& limit, std::int64_t begin, std::int64_t end, std::uint64_t* words,
                       const Count& count) {
  const Block first_weights = splat_block(first_weight), second_weights = splat_block(second_weight);
  const std::int64_t last = (end - 1) / 64;
  for (std::int64_t k = begin / 64; k <= last; ++k) {
    Block values[kBlocksInWord];
    for (int i = 0; i < kBlocksInWord; ++i) {
      const std::int64_t x = 64 * k + i * kBlock;
      if constexpr (kMixed) {
        values[i] = first_weights * load_block(first + x) + second_weights * load_block(second + x);
      } else {
        values[i] = load_block(first + x);
      }
    }
    std::uint64_t bits = beyond<kShifted, kFourfold>(values, limit);
    if (64 * k < begin || 64 * (k + 1) > end) bits &= bits_within(k, begin, end);
    words[k] = bits;
    count(k, values, bits);
  }
}

template <bool kFourfold, class Count>
inline void compare_across(const float* first, const float* second, float first_weight, float second_weight,
                           const Limit& limit, std::int64_t begin, std::int64_t end, std::uint64_t* words,
                           const Count& count) {
  const auto compare = [&](auto as) {
    as(first, second, first_weight, second_weight, limit, begin, end, words, count);
  };
  if (second_weight == 0) return compare(compare_as<false, true, kFourfold, Count>);
  if (limit.shifted) return compare(compare_as<true, true, kFourfold, Count>);
  compare(compare_as<true, false, kFourfold, Count>);
}

}  // namespace
}  // namespace rapidmask
