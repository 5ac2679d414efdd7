// Rows of packed masks that are written once, in order, and read while they are near: a ring of the newest rows, or
// memory that holds all of them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

namespace rapidmask::cpu {

// Words aligned to 64 bytes, uninitialised.
class WordBuffer {
 public:
  WordBuffer() = default;
  explicit WordBuffer(std::int64_t count)
      : words_(static_cast<std::uint64_t*>(::operator new(static_cast<std::size_t>(count) * 8, kAlignment))) {}
  std::uint64_t* data() const { return words_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(std::uint64_t* words) const { ::operator delete(words, kAlignment); }
  };
  std::unique_ptr<std::uint64_t, Delete> words_;
};

class RowStream {
 public:
  // A ring of at least `rows` rows.
  void allocate(std::int64_t rows, std::int64_t words) {
    const auto count = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(rows)));
    stride_ = (words + 7) / 8 * 8;
    ring_ = WordBuffer(count * stride_);
    base_ = ring_.data();
    mask_ = count - 1;
  }
  // All rows of a mask, in place.
  void view(std::uint64_t* rows, std::int64_t words) {
    base_ = rows;
    stride_ = words;
    mask_ = -1;
  }
  // Asks for rows to come that lie in place.
  template <int kWrite>
  void prefetch(std::int64_t r, std::int64_t count) const {
    if (mask_ != -1) return;
    const std::uint64_t* const end = row(r + count);
    for (const std::uint64_t* p = row(r); p < end; p += 8) __builtin_prefetch(p, kWrite);
  }
  std::uint64_t* row(std::int64_t r) const { return base_ + (r & mask_) * stride_; }

 private:
  WordBuffer ring_;
  std::uint64_t* base_ = nullptr;
  std::int64_t stride_ = 0, mask_ = -1;
};

}  // namespace rapidmask::cpu
