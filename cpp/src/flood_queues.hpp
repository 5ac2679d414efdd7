// The two queues of the watershed: the heap that keeps the order of ties, and lists for what lies above the last tie.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace rapidmask::cpu {

// When a pixel leaves the queue: its level in the upper bits, its age in the lower 32.
__extension__ typedef unsigned __int128 Uint128;
template <class Key>
using FloodRank = std::conditional_t<sizeof(Key) <= 4, std::uint64_t, Uint128>;

// The binary heap of the definition. Fillers stand for pixels above all levels that matter: how those lie among
// themselves changes nothing. Ranks and pixels are apart because a step down waits for ranks only.
template <class Key>
class TieHeap {
 public:
  using Rank = FloodRank<Key>;

  bool drained() const { return size_ == 0 || rank(0) == kFiller; }
  Rank first_rank() const { return rank(0); }
  std::uint32_t first_pixel() const { return pixels_[0]; }

  void push(Rank entering, std::uint32_t pixel) {
    grow();
    std::size_t at = size_++;
    for (; at > 0 && entering < rank((at - 1) / 2); at = (at - 1) / 2) move((at - 1) / 2, at);
    put(at, entering, pixel);
  }

  void push_filler() {
    grow();
    put(size_++, kFiller, 0);
  }

  void pop() {
    const std::size_t size = --size_;
    const Rank last = rank(size);
    const std::uint32_t pixel = pixels_[size];
    rank(size) = kFiller;  // where the right child of the last parent is looked for
    std::size_t at = 0;
    // Two generations at a time: grandchildren are compared before it is known whose they are (a fifth of the time).
    while (4 * at + 6 < size) {
      const std::size_t children = 2 * at + 1, grandchildren = 4 * at + 3;
      const bool right = rank(children + 1) < rank(children);
      const bool of_left = rank(grandchildren + 1) < rank(grandchildren);
      const bool of_right = rank(grandchildren + 3) < rank(grandchildren + 2);
      const std::size_t child = children + right;
      const std::size_t grandchild = grandchildren + (right ? 2 + of_right : of_left);
      if (!(rank(child) < last)) return put(at, last, pixel);
      move(child, at);
      if (!(rank(grandchild) < last)) return put(child, last, pixel);
      move(grandchild, child);
      at = grandchild;
    }
    for (std::size_t child = 2 * at + 1; child < size; child = 2 * at + 1) {
      child += rank(child + 1) < rank(child);
      if (!(rank(child) < last)) break;
      move(child, at);
      at = child;
    }
    put(at, last, pixel);
  }

 private:
  static constexpr Rank kFiller = ~Rank{0};

  Rank& rank(std::size_t at) { return ranks_[at + 1]; }  // so that siblings share a cache line
  const Rank& rank(std::size_t at) const { return ranks_[at + 1]; }
  void put(std::size_t at, Rank entering, std::uint32_t pixel) {
    rank(at) = entering;
    pixels_[at] = pixel;
  }
  void move(std::size_t from, std::size_t to) { put(to, rank(from), pixels_[from]); }
  void grow() {
    if (size_ + 2 < ranks_.size()) return;
    ranks_.resize(2 * ranks_.size(), kFiller);
    pixels_.resize(ranks_.size());
  }

  std::size_t size_ = 0;
  std::vector<Rank> ranks_ = std::vector<Rank>(64, kFiller);
  std::vector<std::uint32_t> pixels_ = std::vector<std::uint32_t>(64);
};

// First-in, first-out lists of pixels, in blocks of one cache line whose last place leads to the next block.
class PixelLists {
 public:
  explicit PixelLists(std::size_t count) : lists_(count), occupied_((count + 63) / 64) {}

  void append(std::size_t list, std::uint32_t pixel) {
    List& to = lists_[list];
    if (to.end % kBlock == kBlock - 1) {
      const std::uint32_t block = take_block();
      if (to.end == kEmpty) {
        to.begin = block;
        occupied_[list / 64] |= std::uint64_t{1} << list % 64;
      } else {
        places_[to.end] = block;
      }
      to.end = block;
    }
    places_[to.end++] = pixel;
  }

  // The first list from `from` on that is not empty, or the number of lists.
  std::size_t next(std::size_t from) const {
    std::size_t word = from / 64;
    if (word >= occupied_.size()) return lists_.size();
    std::uint64_t bits = occupied_[word] & ~std::uint64_t{0} << from % 64;
    while (bits == 0) {
      if (++word == occupied_.size()) return lists_.size();
      bits = occupied_[word];
    }
    return 64 * word + static_cast<std::size_t>(std::countr_zero(bits));
  }

  // Calls visit(pixel) for all of a list, with those that it appends meanwhile, and empties it; before each block of
  // them, calls announce(pixel) for those that are there.
  template <class Announce, class Visit>
  void drain(std::size_t list, const Announce& announce, const Visit& visit) {
    for (std::uint32_t at = lists_[list].begin; at != lists_[list].end; ++at) {
      if (at % kBlock == kBlock - 1) {
        const std::uint32_t next = places_[at];
        give_back(at / kBlock * kBlock);
        at = next;
      }
      if (at % kBlock == 0) {
        const std::uint32_t end = lists_[list].end, last = at + kBlock - 1;
        for (std::uint32_t k = at; k != last && k != end; ++k) announce(places_[k]);
      }
      visit(places_[at]);
    }
    if (lists_[list].end != kEmpty) give_back((lists_[list].end - 1) / kBlock * kBlock);
    lists_[list] = List{};
    occupied_[list / 64] &= ~(std::uint64_t{1} << list % 64);
  }

 private:
  static constexpr std::uint32_t kBlock = 16, kEmpty = ~std::uint32_t{0};
  struct List {
    std::uint32_t begin = kEmpty, end = kEmpty;  // places
  };

  std::uint32_t take_block() {
    const std::uint32_t block = free_;
    if (block == kEmpty) {
      places_.resize(places_.size() + kBlock);
      return static_cast<std::uint32_t>(places_.size()) - kBlock;
    }
    free_ = places_[block];
    return block;
  }
  void give_back(std::uint32_t block) {
    places_[block] = free_;
    free_ = block;
  }

  std::vector<List> lists_;
  std::vector<std::uint64_t> occupied_;
  std::vector<std::uint32_t> places_;
  std::uint32_t free_ = kEmpty;
};

}  // namespace rapidmask::cpu
