// Flooding of one image, in a frame of pixels that are never free.
//
// Ties between marker pixels can only be decided by the heap of the definition, literally. Up to the highest level at
// which that matters it is kept; pixels above that level lie in lists meanwhile, and are fillers to the heap. The rest
// is flooded list by list.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "flood_queues.hpp"

namespace rapidmask::cpu {

inline constexpr std::size_t kMaxLevels = 1 << 14;  // with a list each
inline constexpr std::size_t kMaxRanges = 1 << 12;  // of float values, with a list each
inline constexpr std::size_t kPlaces = 256;         // in a range; a heap in their stead took a third longer

// An image with a border of one pixel, flat: what follows a row is its right border and the left one of the next.
struct Frame {
  std::int64_t d, h, w;             // of the image
  std::int64_t row, slice, before;  // from a row to the next, from a slice to the next, before the first pixel
  std::int64_t size;

  Frame(std::int64_t depth, std::int64_t height, std::int64_t width, bool volume) : d(depth), h(height), w(width) {
    row = w + 1;
    slice = (h + 1) * row;
    before = (volume ? slice : 0) + row + 1;
    size = 2 * before + d * slice;
  }

  // Calls visit(first pixel in the image, in the frame) for each row.
  template <class Visit>
  void each_row(const Visit& visit) const {
    for (std::int64_t z = 0; z < d; ++z) {
      for (std::int64_t y = 0; y < h; ++y) visit((z * h + y) * w, before + z * slice + y * row);
    }
  }
};

// The free pixels of a frame: in the mask, and without a label. One bit each, so that a row of a neighbourhood is read
// at once and most pixels, which have no free neighbour left, are done with from the cache.
class FreePixels {
 public:
  explicit FreePixels(std::int64_t size) : bytes_(static_cast<std::size_t>(size) / 8 + 2) {}

  // Of pixel - 1, pixel and pixel + 1, in bits 0, 1 and 2.
  std::uint32_t row_around(std::size_t pixel) const {
    const std::size_t first = pixel - 1;
    std::uint16_t bits;
    std::memcpy(&bits, bytes_.data() + first / 8, sizeof bits);
    return static_cast<std::uint32_t>(bits >> first % 8 & 7);
  }
  void set(std::size_t pixel) { bytes_[pixel / 8] |= static_cast<std::uint8_t>(1u << pixel % 8); }
  void clear(std::size_t pixel) { bytes_[pixel / 8] &= static_cast<std::uint8_t>(~(1u << pixel % 8)); }

 private:
  std::vector<std::uint8_t> bytes_;
};

// The neighbours of a pixel, as bits: of each row around it the three in its reach, row after row.
template <std::size_t kRows>  // 3 in an image, 9 in a volume
struct Reach {
  std::array<std::int64_t, kRows> row;                   // from a pixel to the rows around it
  std::array<std::int64_t, 3 * kRows> step;              // and to the neighbours, by their bits
  std::array<std::uint32_t, kRows == 3 ? 2 : 3> near{};  // the neighbours one axis away, two axes, three
  std::uint32_t all = 0;

  Reach(int connectivity, const Frame& frame) {
    constexpr int kDepth = kRows == 9 ? 1 : 0;
    const int furthest = connectivity == 4 || connectivity == 6 ? 1 : connectivity == 26 ? 3 : 2;
    std::size_t bit = 0;
    for (int z = -kDepth; z <= kDepth; ++z) {
      for (int y = -1; y <= 1; ++y) {
        row[bit / 3] = z * frame.slice + y * frame.row;
        for (int x = -1; x <= 1; ++x, ++bit) {
          step[bit] = row[bit / 3] + x;
          const int axes = std::abs(z) + std::abs(y) + std::abs(x);
          if (axes != 0 && axes <= furthest) near[static_cast<std::size_t>(axes - 1)] |= 1u << bit;
        }
      }
    }
    for (const std::uint32_t bits : near) all |= bits;
  }
};

// Keys are unsigned integers in the order of the image's values: of 16 bits for a few levels, numbered from 0, else the
// bits of floats.
template <class Float>
using KeyOfFloat = std::conditional_t<sizeof(Float) == 4, std::uint32_t, std::uint64_t>;

template <class Float, class Key = KeyOfFloat<Float>>
Key float_key(Float value) {
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  if (value != value) return ~Key{0};
  const Key bits = std::bit_cast<Key>(value + Float{0});  // -0 becomes 0
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

template <class Key>
double value_of_key(Key key) {
  constexpr Key kSign = Key{1} << (8 * sizeof(Key) - 1);
  const Key bits = (key & kSign) != 0 ? key ^ kSign : ~key;
  return static_cast<double>(std::bit_cast<std::conditional_t<sizeof(Key) == 4, float, double>>(bits));
}

// The list that a key belongs to: that of its level or, of floats, that of a range of values, which places divide.
template <class Key>
class ListOfKey {
 public:
  static constexpr bool kOneLevel = sizeof(Key) == 2;

  explicit ListOfKey(std::size_t levels) : count_(levels) {}
  // For so many pixels whose finite values are in [low, high].
  ListOfKey(double low, double high, std::int64_t pixels)
      : count_(std::clamp<std::size_t>(static_cast<std::size_t>(pixels) / 64, 1, kMaxRanges)), high_(high) {
    const double scale = high > low ? static_cast<double>(count_ * kPlaces) / (high - low) : 0;
    if (!std::isfinite(scale)) return;
    scale_ = scale;
    offset_ = low * scale;
  }

  std::size_t count() const { return count_; }
  std::size_t list(Key key) const {
    if constexpr (kOneLevel) {
      return key;
    } else {
      return place(key) / kPlaces;
    }
  }
  // Among the places of all ranges.
  std::size_t place(Key key) const {
    const std::size_t last = count_ * kPlaces - 1;
    const double value = value_of_key(key);
    if (!(value < high_)) return last;  // NaN too
    const double at = value * scale_ - offset_;
    return at > 0 ? std::min(static_cast<std::size_t>(at), last) : 0;
  }

 private:
  std::size_t count_;
  double high_ = 0, scale_ = 0, offset_ = 0;
};

template <class Key>
struct Basin {  // an image in its frame
  std::vector<Key> keys;
  std::vector<std::int32_t> labels;
  FreePixels free;
  std::int64_t free_count = 0;
  std::vector<std::uint32_t> marked;  // in raster order
  std::vector<std::int32_t> part;     // of each marked pixel: the component of the mask that it is in; empty: of one

  explicit Basin(const Frame& frame)
      : keys(static_cast<std::size_t>(frame.size)), labels(keys.size()), free(frame.size) {}
};

template <class Key, std::size_t kRows>
class Flood {
 public:
  Flood(Basin<Key>& basin, const Reach<kRows>& reach, const ListOfKey<Key>& of_key)
      : basin_(basin), reach_(reach), of_key_(of_key), lists_(of_key.count()) {}

  void run() {
    struct Start {
      Key key;
      std::int32_t part, label;
    };
    std::vector<Start> starts;
    for (std::size_t i = 0; i < basin_.marked.size(); ++i) {
      const std::uint32_t pixel = basin_.marked[i];
      if (free_around(pixel) == 0) continue;
      starts.push_back({key(pixel), basin_.part.empty() ? 0 : basin_.part[i], basin_.labels[pixel]});
    }
    std::sort(starts.begin(), starts.end(), [](const Start& a, const Start& b) {
      return a.key != b.key ? a.key > b.key : a.part != b.part ? a.part < b.part : a.label < b.label;
    });
    // Other ties may be decided in any way: floods in different components of the mask never meet, and what pixels of
    // one label reach, one after the other, is the same in any order.
    const auto tie = std::adjacent_find(starts.begin(), starts.end(), [](const Start& a, const Start& b) {
      return a.key == b.key && a.part == b.part && a.label != b.label;
    });
    if (tie != starts.end()) {
      flood_to(tie->key);
    } else {
      for (const std::uint32_t pixel : basin_.marked) append(pixel);
    }
    if constexpr (ListOfKey<Key>::kOneLevel) {
      flood_levels();
    } else {
      flood_ranges();
    }
  }

 private:
  Key key(std::size_t pixel) const { return basin_.keys[pixel]; }

  std::uint32_t free_around(std::uint32_t pixel) const {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      bits |= basin_.free.row_around(static_cast<std::size_t>(pixel + reach_.row[i])) << 3 * i;
    }
    return bits & reach_.all;
  }

  void append(std::uint32_t pixel) {
    if (free_around(pixel) != 0) lists_.append(of_key_.list(key(pixel)), pixel);
  }

  // Of what spread() is going to read.
  void prefetch(std::uint32_t pixel) const {
    __builtin_prefetch(basin_.labels.data() + pixel);
    for (const std::int64_t row : reach_.row) __builtin_prefetch(basin_.keys.data() + pixel + row);
  }

  // Gives a pixel's label to its free neighbours and calls push(level, pixel) for each.
  template <class Push>
  void spread(std::uint32_t pixel, Key level, const Push& push) {
    const std::uint32_t around = free_around(pixel);
    if (around == 0) return;
    const std::int32_t label = basin_.labels[pixel];
    for (const std::uint32_t equally_near : reach_.near) {
      for (std::uint32_t bits = around & equally_near; bits != 0; bits &= bits - 1) {
        const auto to = static_cast<std::size_t>(pixel + reach_.step[static_cast<std::size_t>(std::countr_zero(bits))]);
        basin_.free.clear(to);
        basin_.labels[to] = label;
        --basin_.free_count;
        push(std::max(level, key(to)), static_cast<std::uint32_t>(to));
      }
    }
  }

  void flood_to(Key last) {
    using Rank = FloodRank<Key>;
    TieHeap<Key> heap;
    for (const std::uint32_t pixel : basin_.marked) {
      if (key(pixel) <= last) {
        heap.push(static_cast<Rank>(key(pixel)) << 32, pixel);
      } else {
        heap.push_filler();
        append(pixel);
      }
    }
    std::uint32_t age = 0;
    while (!heap.drained() && basin_.free_count != 0) {
      const auto level = static_cast<Key>(heap.first_rank() >> 32);
      const std::uint32_t pixel = heap.first_pixel();
      heap.pop();
      if (!heap.drained()) prefetch(heap.first_pixel());
      spread(pixel, level, [&](Key reached, std::uint32_t to) {
        if (reached <= last) {
          heap.push(static_cast<Rank>(reached) << 32 | ++age, to);
        } else {
          heap.push_filler();
          lists_.append(of_key_.list(reached), to);
        }
      });
    }
  }

  void flood_levels() {
    for (std::size_t i = lists_.next(0); i < of_key_.count() && basin_.free_count != 0; i = lists_.next(i)) {
      lists_.drain(
          i, [&](std::uint32_t pixel) { prefetch(pixel); },
          [&](std::uint32_t pixel) {
            spread(pixel, static_cast<Key>(i), [&](Key level, std::uint32_t to) { lists_.append(level, to); });
          });
    }
  }

  // Where a list holds several levels: the pixels of a place are sorted, and those that join them meanwhile go through
  // a heap. What is reached at the level just being flooded comes after all others of that level.
  void flood_ranges() {
    struct Entry {
      Key key;
      std::uint32_t order, pixel;
      bool operator<(const Entry& other) const { return key != other.key ? key < other.key : order < other.order; }
      bool operator>(const Entry& other) const { return other < *this; }
    };
    PixelLists places(kPlaces);
    std::vector<Entry> sorted, joined;
    std::vector<std::uint32_t> plateau;
    for (std::size_t i = lists_.next(0); i < of_key_.count() && basin_.free_count != 0; i = lists_.next(i)) {
      lists_.drain(
          i, [&](std::uint32_t pixel) { prefetch(pixel); },
          [&](std::uint32_t pixel) { places.append(of_key_.place(key(pixel)) % kPlaces, pixel); });
      for (std::size_t place = places.next(0); place < kPlaces; place = places.next(place)) {
        std::uint32_t order = 0;
        sorted.clear();
        places.drain(
            place, [](std::uint32_t) {}, [&](std::uint32_t pixel) { sorted.push_back({key(pixel), order++, pixel}); });
        if (!std::is_sorted(sorted.begin(), sorted.end())) std::sort(sorted.begin(), sorted.end());
        auto next = sorted.begin();
        while (next != sorted.end() || !joined.empty()) {
          const Key level =
              joined.empty() || (next != sorted.end() && *next < joined.front()) ? next->key : joined.front().key;
          const auto push = [&](Key reached, std::uint32_t pixel) {
            if (reached == level) {
              plateau.push_back(pixel);
              return;
            }
            const std::size_t to = of_key_.place(reached);
            if (to / kPlaces != i) {
              lists_.append(to / kPlaces, pixel);
            } else if (to % kPlaces != place) {
              places.append(to % kPlaces, pixel);
            } else {
              joined.push_back({reached, order++, pixel});
              std::push_heap(joined.begin(), joined.end(), std::greater<>());
            }
          };
          for (; next != sorted.end() && next->key == level; ++next) spread(next->pixel, level, push);
          while (!joined.empty() && joined.front().key == level) {
            const std::uint32_t pixel = joined.front().pixel;
            std::pop_heap(joined.begin(), joined.end(), std::greater<>());
            joined.pop_back();
            spread(pixel, level, push);
          }
          for (std::size_t k = 0; k < plateau.size(); ++k) spread(plateau[k], level, push);
          plateau.clear();
        }
      }
    }
  }

  Basin<Key>& basin_;
  const Reach<kRows> reach_;
  const ListOfKey<Key> of_key_;
  PixelLists lists_;
};

}  // namespace rapidmask::cpu
