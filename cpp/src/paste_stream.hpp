// Bytes of pasted masks on their way into memory, past the caches.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/paste_rows.hpp"

namespace rapidmask {

// One mask's bytes, written in order and past the caches: a batch is far larger than these, and what is written twice
// would be read in between. Rows are joined as bits, so that each 64 bytes of memory are one word, whatever the width.
class Streamed {
 public:
  Streamed(std::uint8_t* mask, std::int64_t size, std::vector<std::uint64_t>& words)
      : next_(mask), end_(mask + size), words_(words) {}

  // Zeros up to a place where rows begin.
  void zeros_to(std::uint8_t* place) {
    paste_rows().stream_zeros(next_, place - next_);
    head_ = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(place) % 64);
    filled_ = head_;
    next_ = place - head_;
    words_.assign(1, 0);
  }
  // The next rows, of w pixels each: of these `count` words, `stride` apart, lie at x.
  void add(const std::uint64_t* row, std::int64_t rows, std::int64_t stride, std::int64_t count, std::int64_t x,
           std::int64_t w) {
    words_.resize(static_cast<std::size_t>((filled_ + rows * w) / 64 + count + 2));
    for (std::int64_t y = 0; y < rows; ++y, row += stride) {
      const std::int64_t position = filled_ + y * w + x, shift = position % 64;
      std::uint64_t* const to = words_.data() + position / 64;
      for (std::int64_t k = 0; k < count; ++k) {
        to[k] |= row[k] << shift;
        if (shift != 0) to[k + 1] |= row[k] >> (64 - shift);
      }
    }
    filled_ += rows * w;
    write_lines();
  }
  // What is left of the last rows, and zeros behind them.
  void finish() {
    write_bytes(filled_);
    next_ += filled_;
    paste_rows().stream_zeros(next_, end_ - next_);
  }

 private:
  void write_lines() {
    const std::int64_t lines = filled_ / 64;
    if (lines == 0) return;
    const std::int64_t first = head_ != 0 ? 1 : 0;
    if (first != 0) write_bytes(64);
    paste_rows().stream_bits(words_.data() + first, lines - first, next_ + 64 * first);
    const std::uint64_t rest = words_[static_cast<std::size_t>(lines)];
    words_.assign(1, rest);
    next_ += 64 * lines;
    filled_ -= 64 * lines;
    head_ = 0;
  }
  // The bytes of the first line from where they are this mask's.
  void write_bytes(std::int64_t end) {
    for (std::int64_t k = head_; k < end; ++k) next_[k] = words_[0] >> k & 1;
  }

  std::uint8_t *next_, *end_;           // next_ lies where words_ begins
  std::vector<std::uint64_t>& words_;   // zero beyond what is filled
  std::int64_t head_ = 0, filled_ = 0;  // in bits: before them lie another mask's bytes; up to here there are pixels
};

}  // namespace rapidmask
