// The one thread pool. This is the only place that starts threads.
//
// A call splits its work into blocks that the calling thread and the pool's workers take in turn. Workers spin for a
// few microseconds after their last block and then sleep, so that back-to-back calls start in under a microsecond while
// an idle pool costs nothing. One call at a time has the pool: a second caller meanwhile runs its blocks by itself.
#pragma once

#include <algorithm>
#include <cstdint>

namespace rapidmask {

inline constexpr int kMaxThreads = 4096;
inline constexpr std::int64_t kSerialGrain = INT64_MAX;  // everything stays on the calling thread

// By default RAPIDMASK_NUM_THREADS, or the processors that the process may run on. Throws std::invalid_argument where
// the environment holds no such number.
int get_num_threads();
// `count` is from 1 to kMaxThreads.
void set_num_threads(int count);

namespace detail {
// Programs for fuzzing cut any work into blocks, so that small arrays have the seams of large ones.
#if defined(RM_FINE_GRAINED)
inline constexpr std::int64_t kCoarsestGrain = 1;
#else
inline constexpr std::int64_t kCoarsestGrain = kSerialGrain;
#endif

using BlockFunction = void (*)(const void* context, std::int64_t begin, std::int64_t end);
void parallel_blocks(std::int64_t count, std::int64_t grain, BlockFunction function, const void* context);
}  // namespace detail

// Calls body(begin, end) on disjoint ranges that cover [0, count), each of at least `grain` items but the last. `grain`
// should be some 50 µs of work; a count of at most `grain` stays on the calling thread. The first exception that a body
// throws is rethrown here, after all blocks have ended.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
  if (grain != kSerialGrain) grain = std::min(grain, detail::kCoarsestGrain);
  if (count <= grain) {
    if (count > 0) body(std::int64_t{0}, count);
    return;
  }
  detail::parallel_blocks(
      count, grain,
      [](const void* context, std::int64_t begin, std::int64_t end) {
        (*static_cast<const Body*>(context))(begin, end);
      },
      &body);
}

// Calls body(i) for each of `count` images of `cost` units (pixels, bytes), of which `grain` are some 50 µs of work.
template <class Body>
void parallel_for_each(std::int64_t count, std::int64_t cost, std::int64_t grain, const Body& body) {
  parallel_for(count, std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, cost)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) body(i);
               });
}

}  // namespace rapidmask
