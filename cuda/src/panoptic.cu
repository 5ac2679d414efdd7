// Panoptic merging on a device: one kernel chooses a query for each pixel and counts those of each query, one thread
// numbers the segments, one kernel writes the map. Painting: see panoptic_paint.cu.

#include "rapidmask/panoptic.hpp"

#include "logits.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kRows = 4;  // of the output, for which one thread mixes each row of a plane once
constexpr std::int64_t kMostShared = kSharedUnasked / 12;  // queries whose pixels a block counts in shared memory

__device__ __forceinline__ void add(std::int64_t* total, unsigned count) {
  atomicAdd(reinterpret_cast<unsigned long long*>(total), static_cast<unsigned long long>(count));
}

// The pixels of each query, counted in shared memory where they fit: own, outer, inner.
struct Counters {
  unsigned* shared;  // null where they do not
  QueryPixels* pixels;

  __device__ void add_own(std::int64_t k, unsigned count) const {
    if (shared != nullptr) {
      atomicAdd(shared + 3 * k, count);
    } else {
      add(&pixels[k].own, count);
    }
  }
  __device__ void add_code(std::int32_t code, unsigned count) const {
    if (shared != nullptr) {
      atomicAdd(shared + 3 * (code / 2) + 1 + code % 2, count);
    } else {
      add(code % 2 != 0 ? &pixels[code / 2].inner : &pixels[code / 2].outer, count);
    }
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads, 1)
    choose_queries_kernel(View<const T> planes, const float* scores, PanopticRule rule, View<std::int32_t> codes,
                          bool counts_in_shared, QueryPixels* pixels) {
  RM_DYNAMIC_SHARED(unsigned, shared);
  const Counters counters{counts_in_shared ? shared : nullptr, pixels};
  if (counts_in_shared) {
    for (std::int64_t i = threadIdx.x; i < 3 * planes.n; i += kThreads) shared[i] = 0;
    __syncthreads();
  }
  const std::int64_t bands = (codes.h + kRows - 1) / kRows, items = bands * codes.w;
  // All threads of a warp go on together, for the votes; those beyond the last column take that one's place.
  for (std::int64_t first = first_thread() - lane_id(); first < items; first += thread_stride()) {
    const std::int64_t i = first + lane_id() < items ? first + lane_id() : items - 1;
    const bool inside = first + lane_id() < items;
    const std::int64_t x = i % codes.w, top = i / codes.w * kRows;
    const OutputColumn<kRows> column(planes.h, planes.w, codes.h, codes.w, x, top);
    ChosenQuery chosen[kRows];
    for (std::int64_t k = 0; k < planes.n; ++k) {
      const float score = scores[k];
      unsigned own = 0;
      column.for_each(planes.image(k), [&](int r, float value) {
        const QueryValue of_query = query_value(rule, score, value);
        own += of_query.owned && top + r < codes.h;
        chosen[r].take(of_query.weight, static_cast<std::int32_t>(2 * k + of_query.owned));
      });
      const unsigned total = warp_sum(inside ? own : 0u);
      if (total != 0 && lane_id() == 0) counters.add_own(k, total);
    }
    for (int r = 0; r < kRows; ++r) {
      const bool there = inside && top + r < codes.h;
      const std::int32_t code = there ? chosen[r].code : -1;
      if (there) codes.data[(top + r) * codes.w + x] = code;
      const unsigned alike = __match_any_sync(kFullWarp, code);
      if (code >= 0 && __ffs(static_cast<int>(alike)) - 1 == lane_id()) {
        counters.add_code(code, static_cast<unsigned>(__popc(alike)));
      }
    }
  }
  if (!counts_in_shared) return;
  __syncthreads();
  for (std::int64_t k = threadIdx.x; k < planes.n; k += kThreads) {
    if (shared[3 * k] != 0) add(&pixels[k].own, shared[3 * k]);
    if (shared[3 * k + 1] != 0) add(&pixels[k].outer, shared[3 * k + 1]);
    if (shared[3 * k + 2] != 0) add(&pixels[k].inner, shared[3 * k + 2]);
  }
}

__global__ void number_segments_kernel(PanopticRule rule, std::int64_t q, const QueryPixels* pixels,
                                       const float* scores, const std::int64_t* labels, const std::int64_t* fused,
                                       std::int64_t fused_count, double* table) {
  if (threadIdx.x == 0) number_segments(rule, q, pixels, scores, labels, fused, fused_count, table);
}

__global__ void number_pixels_kernel(PanopticRule rule, const double* table, std::int64_t size, std::int32_t* codes) {
  for (std::int64_t i = first_thread(); i < size; i += thread_stride()) codes[i] = id_of_code(rule, table, codes[i]);
}

template <class T>
void choose_queries(const Context& context, const View<const T>& planes, const float* scores, const PanopticRule& rule,
                    const View<std::int32_t>& map, QueryPixels* pixels) {
  const std::int64_t items = (map.h + kRows - 1) / kRows * map.w;
  const bool in_shared = planes.n <= kMostShared;
  const std::size_t bytes = in_shared ? static_cast<std::size_t>(3 * planes.n) * sizeof(unsigned) : 0;
  RM_LAUNCH(choose_queries_kernel<T>, grid_of_threads(items), kThreads, bytes, context.stream, planes, scores, rule,
            map, in_shared, pixels);
}

}  // namespace

void panoptic_merge(const Context& context, const Image& planes, const float* scores, const std::int64_t* labels,
                    const std::int64_t* fused, std::int64_t fused_count, const PanopticRule& rule,
                    const View<std::int32_t>& map, double* table) {
  const std::int64_t q = planes.n;
  auto* pixels = context.scratch<QueryPixels>(q);
  check(cudaMemsetAsync(pixels, 0, static_cast<std::size_t>(q) * sizeof *pixels, context.stream), "cudaMemsetAsync");
  if (q == 0 || map.size() == 0) {
    check(cudaMemsetAsync(map.data, 0xff, static_cast<std::size_t>(map.size()) * sizeof *map.data, context.stream),
          "cudaMemsetAsync");
  } else {
    visit_logits(planes.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      const View<const T> given = planes.as<T>();
      if (!rule.activated || rule.activated_late) return choose_queries(context, given, scores, rule, map, pixels);
      auto* probabilities = context.scratch<float>(given.size());
      RM_LAUNCH(mask_probabilities_kernel<T>, grid_of_threads(given.size()), kThreads, 0, context.stream, given.data,
                given.size(), probabilities);
      choose_queries<float>(context, {probabilities, q, given.h, given.w}, scores, rule, map, pixels);
    });
  }
  const std::int64_t* to_fuse = fused_count > 0 ? context.table(fused, fused_count) : nullptr;
  if (q > 0) {
    RM_LAUNCH(number_segments_kernel, 1, kWarpSize, 0, context.stream, rule, q, pixels, scores, labels, to_fuse,
              fused_count, table);
  }
  RM_LAUNCH(number_pixels_kernel, grid_of_threads(map.size()), kThreads, 0, context.stream, rule, table, map.size(),
            map.data);
}

}  // namespace rapidmask::cuda
