// What harnesses share: values from bytes, arrays of exactly their size, and instruction levels side by side.
//
// A harness defines run(Input&), which takes its arguments from the bytes that a fuzzer makes up, calls the library and
// expects what a literal second definition gives. Bytes come from the front; where they have run out, all are 0.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "isa/levels.hpp"
#include "parallel.hpp"
#include "rapidmask/types.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define RM_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RM_POISONS 1
#endif
#endif
#if defined(RM_POISONS)
#include <sanitizer/asan_interface.h>
#endif

namespace rapidmask::fuzz {

using Bytes = std::vector<std::uint8_t>;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}

  bool empty() const { return at_ == end_; }
  std::uint8_t byte() { return at_ == end_ ? std::uint8_t{0} : *at_++; }
  bool flag() { return byte() % 2 != 0; }
  std::uint64_t bits(int bytes) {
    std::uint64_t bits = 0;
    for (int i = 0; i < bytes; ++i) bits = bits << 8 | byte();
    return bits;
  }
  // From 0 to n - 1.
  std::int64_t below(std::int64_t n) {
    const auto count = static_cast<std::uint64_t>(n);
    return static_cast<std::int64_t>(bits(n <= 256 ? 1 : n <= 65536 ? 2 : 5) % count);
  }
  std::int64_t between(std::int64_t first, std::int64_t last) { return first + below(last - first + 1); }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[below(static_cast<std::int64_t>(choices.size()))];
  }
  Bytes rest() { return {std::exchange(at_, end_), end_}; }

  // An extent of at most `most`, often one next to a whole number of words.
  std::int64_t extent(std::int64_t most) {
    const std::int64_t side = flag()
                                  ? pick<std::int64_t>({0,  1,   2,   3,   8,   15,  16,  17,  31,  32,  33,  63,  64,
                                                        65, 127, 128, 129, 191, 192, 193, 255, 256, 257, 511, 512, 513})
                                  : below(most + 1);
    return side % (most + 1);
  }

  // An extent beside another one, with which it makes at most so many pixels.
  std::int64_t extent_beside(std::int64_t other, std::int64_t most, std::int64_t pixels) {
    return extent(std::min(most, pixels / std::max<std::int64_t>(1, other)));
  }

  // A number that is often one where arithmetic is odd.
  double number() {
    switch (below(8)) {
      case 0: return below(17) - 8;
      case 1: return static_cast<double>(below(4001) - 2000) / 16;
      case 2:
        return pick(
            {0.0, -0.0, 0.5, -0.5, 1.0, 1e-3, 1e-30, 1e-45, 5e-324, 65504.0, 65520.0, 16777216.0, 2147483648.0});
      case 3:
        return pick({std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                     std::numeric_limits<double>::quiet_NaN(), 1e9, -1e9, 3e38, -3e38, 1e300, 9.3e18, -9.3e18});
      case 4: return std::bit_cast<float>(static_cast<std::uint32_t>(bits(4)));
      case 5: return std::bit_cast<double>(bits(8));
      default: return static_cast<double>(static_cast<std::int8_t>(byte())) / 32;
    }
  }

 private:
  const std::uint8_t *at_, *end_;
};

void run(Input& input);

// --- Expectations ---

[[noreturn]] inline void differ(const std::string& what) {
  std::fprintf(stderr, "fuzz: %s\n", what.c_str());
  std::abort();
}
inline void expect(bool holds, const char* what) {
  if (!holds) differ(std::string(what) + " at " + current_level());
}

// The same bits, or both NaN.
template <class T>
bool same(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}
inline bool same(Half a, Half b) { return a.bits == b.bits; }
inline bool same(BFloat16 a, BFloat16 b) { return a.bits == b.bits; }

// --- Arrays ---

// How far arrays begin from where the allocator puts them, in elements; what is in them before they are written.
inline thread_local std::size_t array_offset = 0;
inline thread_local std::uint8_t array_rubbish = 0;

// An array in memory of its own, past either end of which a sanitizer sees every access. It holds rubbish, another one
// every time.
template <class T>
class Array {
 public:
  explicit Array(std::int64_t count) : size_(static_cast<std::size_t>(count)), offset_(array_offset) {
    memory_ = std::make_unique_for_overwrite<T[]>(offset_ + size_);
    array_rubbish = static_cast<std::uint8_t>(array_rubbish * 5 + 0x6b);
    if (size_ != 0) std::memset(static_cast<void*>(data()), array_rubbish, size_ * sizeof(T));
#if defined(RM_POISONS)
    ASAN_POISON_MEMORY_REGION(memory_.get(), offset_ * sizeof(T));
#endif
  }
  Array(std::int64_t count, T value) : Array(count) {
    for (T& element : *this) element = value;
  }
  explicit Array(const std::vector<T>& values) : Array(static_cast<std::int64_t>(values.size())) {
    for (std::size_t i = 0; i < size_; ++i) begin()[i] = values[i];
  }
  Array(Array&&) noexcept = default;
  Array& operator=(Array&&) = delete;
#if defined(RM_POISONS)
  ~Array() {
    if (memory_ != nullptr) ASAN_UNPOISON_MEMORY_REGION(memory_.get(), offset_ * sizeof(T));
  }
#endif

  T* data() { return memory_.get() + offset_; }
  const T* data() const { return memory_.get() + offset_; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  std::int64_t size() const { return static_cast<std::int64_t>(size_); }
  T& operator[](std::int64_t i) { return data()[i]; }
  const T& operator[](std::int64_t i) const { return data()[i]; }
  bool operator==(const Array& other) const {
    if (size_ != other.size_) return false;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!same(data()[i], other.data()[i])) return false;
    }
    return true;
  }

 private:
  std::size_t size_, offset_;
  std::unique_ptr<T[]> memory_;
};

// --- Levels and threads ---

// The levels that are compared, baseline first; in a process that threads share the one that it has.
inline std::vector<std::string>& levels() {
  static std::vector<std::string> names = available_levels();
  return names;
}
inline void share_process(int threads) {
  levels() = {current_level()};
  set_num_threads(threads);
}

// What a call gives at every level, which must be the same. Some inputs have work split among threads at the last.
inline thread_local bool splits_work = false;
template <class Call>
auto at_every_level(const char* what, const Call& call) {
  const std::vector<std::string>& names = levels();
  if (names.size() == 1) return call();
  set_level(names.front());
  auto wanted = call();
  for (std::size_t i = 1; i < names.size(); ++i) {
    set_level(names[i]);
    if (splits_work && i + 1 == names.size()) set_num_threads(3);
    const bool equal = call() == wanted;
    set_num_threads(1);
    if (!equal) differ(std::string(what) + " at " + names[i] + " and " + names.front());
  }
  return wanted;
}

inline void set_up(Input& input) {
  if (levels().size() > 1) set_num_threads(1);
  const std::uint8_t options = input.byte();
  array_offset = options % 8;
  splits_work = options >= 224;
}

// --- Contents ---

// Numbers that look random, from a few bytes of the input.
class Noise {
 public:
  explicit Noise(Input& input) : state_(input.bits(4)) {}
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(n)); }

 private:
  std::uint64_t state_;
};

// Pixels 0 and 1 of n images of h by w: constant, chequered, noise, rectangles or the input's own bits.
inline Bytes mask_pixels(Input& input, std::int64_t n, std::int64_t h, std::int64_t w) {
  Bytes pixels(static_cast<std::size_t>(n * h * w));
  const auto kind = input.below(6);
  if (pixels.empty()) return pixels;
  if (kind == 0) {
    const std::uint8_t value = input.flag();
    for (auto& pixel : pixels) pixel = value;
  } else if (kind == 1) {
    const std::int64_t a = input.between(1, 70), b = input.between(1, 70);
    for (std::int64_t i = 0; i < n * h * w; ++i) pixels[static_cast<std::size_t>(i)] = (i % w / a + i / w / b) % 2 != 0;
  } else if (kind <= 3) {
    const auto density = static_cast<std::uint64_t>(input.byte());
    Noise noise(input);
    for (auto& pixel : pixels) pixel = noise.next() % 256 < density;
  } else if (kind == 4) {
    for (std::int64_t count = input.between(1, 12); count > 0; --count) {
      const std::int64_t i = input.below(n), y0 = input.below(h), x0 = input.below(w);
      const std::int64_t y1 = input.between(y0, h), x1 = input.between(x0, w);
      const std::uint8_t value = input.byte() % 4 != 0;
      for (std::int64_t y = y0; y < y1; ++y)
        for (std::int64_t x = x0; x < x1; ++x) pixels[static_cast<std::size_t>((i * h + y) * w + x)] = value;
    }
  } else {
    const Bytes bits = input.rest();
    for (std::size_t i = 0; i < pixels.size() && i / 8 < bits.size(); ++i) pixels[i] = bits[i / 8] >> i % 8 & 1;
  }
  return pixels;
}

// Some changes of what a mask has: any byte but 0 is foreground.
inline std::uint8_t foreground_byte(Input& input) { return input.pick<std::uint8_t>({1, 255, 0x80, 0x01, 2}); }

// Masks in either form.
struct MaskArray {
  std::int64_t n, d, h, w;
  bool packed;
  Array<std::uint8_t> dense;
  Array<std::uint64_t> words;

  static std::int64_t row_words(std::int64_t w) { return (w + 63) / 64; }

  // For a result.
  MaskArray(bool is_packed, std::int64_t n_, std::int64_t d_, std::int64_t h_, std::int64_t w_)
      : n(n_),
        d(d_),
        h(h_),
        w(w_),
        packed(is_packed),
        dense(packed ? 0 : n * d * h * w),
        words(packed ? n * d * h * row_words(w) : 0) {}
  MaskArray(const Bytes& pixels, bool is_packed, std::int64_t n_, std::int64_t d_, std::int64_t h_, std::int64_t w_,
            std::uint8_t foreground = 1)
      : MaskArray(is_packed, n_, d_, h_, w_) {
    for (std::uint64_t& word : words) word = 0;
    for (std::int64_t i = 0; i < n * d * h * w; ++i) {
      const bool set = pixels[static_cast<std::size_t>(i)] != 0;
      if (!packed) dense[i] = set ? foreground : 0;
      if (packed && set) words[i / w * row_words(w) + i % w / 64] |= std::uint64_t{1} << i % w % 64;
    }
  }

  const std::uint8_t* bytes() const {
    return packed ? reinterpret_cast<const std::uint8_t*>(words.data()) : dense.data();
  }
  Masks view() const { return {bytes(), packed, n, d, h, w}; }
  MutableMasks result() { return {const_cast<std::uint8_t*>(bytes()), packed, n, d, h, w}; }
  bool operator==(const MaskArray& other) const { return dense == other.dense && words == other.words; }
  // Bits past the end of a row are zero, and dense pixels 0 or 1.
  bool is(const Bytes& pixels) const { return *this == MaskArray(pixels, packed, n, d, h, w); }
};

// Values of a floating type: noise, ramps, few different ones, those of `number`, or the input's own bits.
template <class T>
T as_value(double x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::int64_t>(x));
  } else if constexpr (std::is_same_v<T, float>) {
    return x > 3.4e38    ? std::numeric_limits<float>::infinity()
           : x < -3.4e38 ? -std::numeric_limits<float>::infinity()
                         : static_cast<float>(x);
  } else {
    return nearest<T>(x);
  }
}
template <class T>
Array<T> values(Input& input, std::int64_t count, std::int64_t w) {
  Array<T> result(count);
  const auto kind = input.below(6);
  if (kind == 5) {
    const Bytes bits = input.rest();
    for (T& value : result) value = as_value<T>(0);
    const std::size_t size = std::min(bits.size(), static_cast<std::size_t>(count) * sizeof(T));
    if (size != 0) std::memcpy(static_cast<void*>(result.data()), bits.data(), size);
    return result;
  }
  if (kind == 4) {
    for (T& value : result) {
      const double x = input.empty() ? 0 : input.number();
      value = as_value<T>(std::is_integral_v<T> && !(x > -9e18 && x < 9e18) ? 0 : x);
    }
    return result;
  }
  Noise noise(input);
  const double scale = static_cast<double>(input.byte() + 1) / 16;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto u = static_cast<double>(noise.below(65536)) / 32768 - 1;
    const auto x = static_cast<double>(i % w), y = static_cast<double>(i / w);
    result[i] = as_value<T>(scale * (kind == 0   ? u
                                     : kind == 1 ? static_cast<double>(noise.below(5) - 2)
                                     : kind == 2 ? (x - y) / 8
                                                 : 8 * u + x * y / 64 - 3));
  }
  if (input.byte() % 4 == 0 && !std::is_integral_v<T>) {  // and some odd ones among them
    for (std::int64_t k = input.below(8); k > 0 && count > 0; --k) {
      const std::int64_t at = input.below(count);
      result[at] = as_value<T>(input.number());
    }
  }
  return result;
}

}  // namespace rapidmask::fuzz
