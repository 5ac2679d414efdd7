// Square tiles of 64×64 bits and their transposition, in the widest vectors of the level that includes this.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <utility>

#include "isa/words.hpp"

namespace rapidmask {
namespace {

inline constexpr int kTileSide = 64;

// Vectors of words of the level; one that has none takes the compiler's of two.
inline constexpr int kTileWords = kVectorWords > 1 ? kVectorWords : 2;
using TileVector = WordsOf<kTileWords>::Vector;

template <int kDistance, int... kLane>
inline TileVector exchanged(TileVector v, std::integer_sequence<int, kLane...>) {
  return __builtin_shufflevector(v, v, (kLane ^ kDistance)...);
}

// The bits whose number has the bit `distance` clear.
constexpr std::uint64_t low_bits(int distance) {
  std::uint64_t bits = 0;
  for (int i = 0; i < 64; ++i) bits |= std::uint64_t{(i & distance) == 0} << i;
  return bits;
}

// Exchanges the bit `kDistance` of each row's number with that of each bit's number.
template <int kDistance>
inline void exchange_step(TileVector (&rows)[kTileSide / kTileWords]) {
  constexpr std::uint64_t kLow = low_bits(kDistance);
  constexpr int kVectors = kTileSide / kTileWords;
  if constexpr (kDistance >= kTileWords) {
    constexpr int kStep = kDistance / kTileWords;
    for (int i = 0; i < kVectors; ++i) {
      if ((i & kStep) != 0) continue;
      const TileVector a = rows[i], b = rows[i + kStep];
      rows[i] = (a & kLow) | ((b << kDistance) & ~kLow);
      rows[i + kStep] = ((a >> kDistance) & kLow) | (b & ~kLow);
    }
  } else {
    TileVector is_low{}, left{}, right{};
    for (int lane = 0; lane < kTileWords; ++lane) {
      const bool low = (lane & kDistance) == 0;
      is_low[lane] = low ? kLow : ~kLow;
      left[lane] = low ? kDistance : 64 - kDistance;  // a rotation, to the left or to the right
      right[lane] = low ? 64 - kDistance : kDistance;
    }
    for (int i = 0; i < kVectors; ++i) {
      const TileVector other = exchanged<kDistance>(rows[i], std::make_integer_sequence<int, kTileWords>{});
      rows[i] = (rows[i] & is_low) | (((other << left) | (other >> right)) & ~is_low);
    }
  }
}

// Bit i of row k becomes bit k of row i.
[[maybe_unused]] inline void transpose_tile(std::uint64_t* tile) {
  TileVector rows[kTileSide / kTileWords];
  __builtin_memcpy(rows, tile, sizeof rows);
  exchange_step<32>(rows);
  exchange_step<16>(rows);
  exchange_step<8>(rows);
  exchange_step<4>(rows);
  exchange_step<2>(rows);
  exchange_step<1>(rows);
  __builtin_memcpy(tile, rows, sizeof rows);
}

}  // namespace
}  // namespace rapidmask
