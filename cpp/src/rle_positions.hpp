// Positions of transitions as they are found, and what each thread of a call needs for its masks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "isa/rle_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/rle.hpp"

namespace rapidmask {

inline constexpr std::int64_t kRleGrainPixels = 1 << 18;  // some 10 to 50 µs

// A vector whose new elements are left uninitialised, filled through a pointer to its end.
class Positions {
 public:
  // Room for `count` more and for what the row loops write past them.
  std::uint32_t* reserve(std::int64_t count) {
    const std::int64_t wanted = size_ + count + kEmitSlack;
    if (wanted > capacity_) {
      capacity_ = std::max(wanted, 2 * capacity_);
      auto larger = std::make_unique_for_overwrite<std::uint32_t[]>(static_cast<std::size_t>(capacity_));
      if (size_ > 0) std::memcpy(larger.get(), data_.get(), static_cast<std::size_t>(4 * size_));
      data_ = std::move(larger);
    }
    return data_.get() + size_;
  }
  void set_end(const std::uint32_t* end) { size_ = end - data_.get(); }
  void push_back(std::uint32_t position) {
    *reserve(1) = position;
    ++size_;
  }
  void clear() { size_ = 0; }

  std::int64_t size() const { return size_; }
  const std::uint32_t* data() const { return data_.get(); }
  std::unique_ptr<std::uint32_t[]> release() { return std::move(data_); }

  // The transitions from `first` on are those of a mask of so many pixels, with which the last run ends.
  void end_mask(std::int64_t first, std::int64_t pixels) {
    const auto end = static_cast<std::uint32_t>(pixels);
    if (pixels > 0 && (size_ == first || data_[static_cast<std::size_t>(size_ - 1)] != end)) push_back(end);
  }

 private:
  std::unique_ptr<std::uint32_t[]> data_;
  std::int64_t size_ = 0, capacity_ = 0;
};

// Objects that threads take in turn: no more are made than threads work at once.
template <class T>
class Pool {
 public:
  template <class Make>
  std::unique_ptr<T> take(const Make& make) {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        auto object = std::move(free_.back());
        free_.pop_back();
        return object;
      }
    }
    return make();
  }
  void give_back(std::unique_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(object));
  }
  std::vector<std::unique_ptr<T>>& all() { return free_; }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> free_;
};

// Calls work(scratch, i) for each of `count` masks over the threads, with a Scratch of each thread's own, and returns
// all of these.
template <class Scratch, class Make, class Work>
std::vector<std::unique_ptr<Scratch>> for_each_mask(std::int64_t count, std::int64_t cost, const Make& make,
                                                    const Work& work) {
  Pool<Scratch> pool;
  const std::int64_t grain = std::max<std::int64_t>(1, kRleGrainPixels / std::max<std::int64_t>(1, cost));
  parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
    auto scratch = pool.take(make);
    for (std::int64_t i = begin; i < end; ++i) work(*scratch, i);
    pool.give_back(std::move(scratch));
  });
  return std::move(pool.all());
}

// Runs of some of the masks of a batch.
struct RunCollector {
  Positions positions;
  std::vector<FoundRuns::Mask> masks;

  // Calls find(positions) for mask i, which has so many pixels.
  template <class Find>
  void add(std::int64_t i, std::int64_t pixels, const Find& find) {
    const std::int64_t first = positions.size();
    if (pixels > 0) find(positions);
    positions.end_mask(first, pixels);
    masks.push_back({i, positions.size() - first});
  }
};

template <class Collector>
FoundRuns joined(std::int64_t n, std::vector<std::unique_ptr<Collector>> collectors) {
  std::vector<FoundRuns::Part> parts;
  for (auto& collector : collectors) {
    parts.push_back({std::move(collector->masks), collector->positions.release()});
  }
  return FoundRuns(n, std::move(parts));
}

}  // namespace rapidmask
