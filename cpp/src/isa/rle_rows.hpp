// The loops of encoding masks as run lengths, one table per instruction level.
//
// A transition is a pixel that differs from the one before it in column order, the first one where it is foreground.
// Runs end where transitions are. Transitions are found as bits, 64×64 of which make a tile; tiles without any are left
// out, the others are transposed, so that the 64 words of a tile are 64 columns.
#pragma once

#include <cstdint>

namespace rapidmask {

inline constexpr std::int64_t kEmitSlack = 64;  // positions that may be written past the last
inline constexpr std::int64_t kFillSlack = 8;   // words that may be read past the last

inline constexpr std::int64_t kEmitWords = 64, kEmitBytes = 64 * kEmitWords;  // at most in one call

// The foreground of a mask, run by run.
struct ForegroundRuns {
  const std::uint32_t* next;
  const std::uint32_t* last;
  std::int64_t begin, end;  // the run at hand; both kNever after the last

  static constexpr std::int64_t kNever = std::int64_t{1} << 62;

  __attribute__((always_inline)) void advance() {
    if (last - next < 2) {
      begin = end = kNever;
      return;
    }
    begin = end + next[0];
    end = begin + next[1];
    next += 2;
  }
};

struct RleRows {
  // changed[s] gathers the transitions of column s of words: the bits in which each of `count` rows differs from the
  // row above it, that above the first being `above`.
  void (*changes)(const std::uint64_t* above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
                  std::uint64_t* changed);
  // The transitions of one column of words of at most 64 rows, transposed to the 64 words of a tile.
  void (*change_tile)(std::uint64_t above, const std::uint64_t* rows, std::int64_t count, std::int64_t words,
                      std::uint64_t* tile);
  // The same two where the rows hold the transitions themselves.
  void (*any)(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::uint64_t* any);
  void (*tile)(const std::uint64_t* rows, std::int64_t count, std::int64_t words, std::uint64_t* tile);
  // Positions of the transitions of `columns` columns, of which column c has `count` words, word c of each tile; tile k
  // begins at row tops[k] and column c at position first + c·h. Returns the end of what it wrote.
  std::uint32_t* (*emit_columns)(const std::uint64_t* tiles, const std::uint32_t* tops, std::int64_t count,
                                 std::int64_t columns, std::uint32_t first, std::uint32_t h, std::uint32_t* positions);
  // Positions of the transitions of up to kEmitBytes pixels that stand in order, the first at `first`; `last` is the
  // pixel before them and becomes the last of them.
  std::uint32_t* (*emit_bytes)(const std::uint8_t* pixels, std::int64_t count, std::uint32_t first, bool& last,
                               std::uint32_t* positions);
  // The same of pixels in the bits of up to kEmitWords words, where words[-1] ends with the pixel before them.
  std::uint32_t* (*emit_words)(const std::uint64_t* words, std::int64_t count, std::uint32_t first,
                               std::uint32_t* positions);
  // Sets what the runs have of the pixels [begin, end), the first of which is bit 0 of words, and moves them on to
  // `end`. kFillSlack words past the last may be read and written back.
  void (*fill)(ForegroundRuns& runs, std::int64_t begin, std::int64_t end, std::uint64_t* words);
  // Differences of positions: the length of each run. The one before the first is 0.
  void (*lengths)(const std::uint32_t* ends, std::int64_t count, std::uint32_t* counts);
};

const RleRows& rle_rows();

}  // namespace rapidmask
