// Painting on a device: each word of pixels by itself. Where masks depend on what is left of them, one block takes them
// one after the other before, each within the words that it has, and says which are painted. And scores that do not
// overlap.

#include "logits.cuh"
#include "rapidmask/overlap.hpp"
#include "rapidmask/pack.hpp"
#include "rapidmask/panoptic.hpp"

namespace rapidmask::cuda {
namespace {

constexpr int kPaintThreads = 1024;

// Masks as words of 32 bits.
struct MaskWords {
  const std::uint32_t* words;
  std::int64_t n, h, w;

  __device__ std::int64_t row_words() const { return 2 * ((w + 63) / 64); }
  __device__ std::int64_t mask_words() const { return h * row_words(); }
  __device__ std::uint32_t word(std::int64_t mask, std::int64_t i) const { return words[mask * mask_words() + i]; }
};

// Writes the masks that take part in the order in which they take pixels, and their number behind the n of them.
__global__ void order_masks_kernel(const double* scores, std::int64_t n, PaintRule rule, std::int64_t* order) {
  for (std::int64_t i = first_thread(); i < n; i += thread_stride()) {
    if (!takes_part(rule, scores, i)) continue;
    std::int64_t before = 0, all = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      if (!takes_part(rule, scores, j)) continue;
      ++all;
      const bool earlier = rule.by_score ? scores_before(scores[j], j, scores[i], i) : j < i;
      before += i != j && (earlier != rule.over);
    }
    order[before] = i;
    if (before == 0) order[n] = all;
  }
}

__device__ __forceinline__ void paint_word(const MaskWords& masks, std::int64_t i, std::uint32_t bits,
                                           std::int32_t label, std::int32_t* map) {
  const std::int64_t y = i / masks.row_words(), x = i % masks.row_words() * 32;
  for (std::uint32_t rest = bits; rest != 0; rest &= rest - 1) {
    map[y * masks.w + x + __ffs(static_cast<int>(rest)) - 1] = label;
  }
}

// The pixels of a mask, and the words that have them as what is largest, so that all begin at 0.
struct MaskExtent {
  unsigned long long area, before_end, end;  // words from the first one to the end of the mask, and up to the last
};

// Each word by itself. Where it is `decided` which masks are painted, only those.
__global__ void paint_words_kernel(MaskWords masks, const std::int64_t* order, PaintRule rule, bool decided,
                                   const MaskExtent* extents, Painting painting) {
  for (std::int64_t i = first_thread(); i < masks.mask_words(); i += thread_stride()) {
    std::uint32_t taken = 0;
    for (std::int64_t k = 0; k < order[masks.n] && taken != ~0u; ++k) {
      const std::int64_t mask = order[k];
      if (decided && painting.painted[mask] == 0) continue;
      const std::uint32_t left = masks.word(mask, i) & ~taken;
      if (left == 0) continue;
      taken |= left;
      paint_word(masks, i, left, static_cast<std::int32_t>(mask + 1), painting.map);
      atomicAdd(reinterpret_cast<unsigned long long*>(painting.visible + mask),
                static_cast<unsigned long long>(__popc(left)));
    }
  }
  for (std::int64_t k = first_thread(); !decided && k < order[masks.n]; k += thread_stride()) {
    painting.painted[order[k]] = extents[order[k]].area > 0 || !rule.leaves_out_empty;
  }
}

// Extents are 0 before.
__global__ void measure_masks_kernel(MaskWords masks, std::int64_t per_mask, MaskExtent* extents) {
  const std::int64_t mask = blockIdx.x / per_mask, words = masks.mask_words();
  std::int64_t area = 0;
  unsigned long long before_end = 0, end = 0;
  for (std::int64_t i = blockIdx.x % per_mask * kThreads + threadIdx.x; i < words; i += per_mask * kThreads) {
    const std::uint32_t bits = masks.word(mask, i);
    if (bits == 0) continue;
    area += __popc(bits);
    if (before_end == 0) before_end = static_cast<unsigned long long>(words - i);
    end = static_cast<unsigned long long>(i + 1);
  }
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    before_end = max(before_end, __shfl_xor_sync(kFullWarp, before_end, offset));
    end = max(end, __shfl_xor_sync(kFullWarp, end, offset));
  }
  area = warp_sum(area);
  if (lane_id() != 0 || area == 0) return;
  atomicAdd(&extents[mask].area, static_cast<unsigned long long>(area));
  atomicMax(&extents[mask].before_end, before_end);
  atomicMax(&extents[mask].end, end);
}

// One block; `taken` has the pixels that are painted, in words. A thread has the same words of every mask.
__global__ void __launch_bounds__(kPaintThreads)
    decide_painting_kernel(MaskWords masks, const std::int64_t* order, PaintRule rule, const MaskExtent* extents,
                           std::uint32_t* taken, std::uint8_t* painted) {
  for (std::int64_t k = 0; k < order[masks.n]; ++k) {
    const std::int64_t mask = order[k];
    const MaskExtent extent = extents[mask];
    const auto end = static_cast<std::int64_t>(extent.end);
    const std::int64_t begin = end == 0 ? 0 : masks.mask_words() - static_cast<std::int64_t>(extent.before_end);
    const std::int64_t first = begin / kPaintThreads * kPaintThreads + threadIdx.x;
    std::int64_t visible = 0;
    for (std::int64_t i = first; i < end; i += kPaintThreads) visible += __popc(masks.word(mask, i) & ~taken[i]);
    visible = block_sum(visible);
    if (!is_painted(rule, static_cast<std::int64_t>(extent.area), visible)) continue;
    if (threadIdx.x == 0) painted[mask] = 1;
    for (std::int64_t i = first; i < end; i += kPaintThreads) taken[i] |= masks.word(mask, i);
  }
}

__global__ void count_unpainted_kernel(View<const std::int32_t> map, const std::int32_t* classes, std::int64_t count,
                                       std::int64_t* pixels) {
  for (std::int64_t first = first_thread() - lane_id(); first < map.size(); first += thread_stride()) {
    const std::int64_t i = first + lane_id();
    const bool counts = i < map.size() && map.data[i] == 0 && classes[i] >= 0 && classes[i] < count;
    const std::int32_t c = counts ? classes[i] : -1;
    const unsigned alike = __match_any_sync(kFullWarp, c);
    if (c >= 0 && __ffs(static_cast<int>(alike)) - 1 == lane_id()) {
      atomicAdd(reinterpret_cast<unsigned long long*>(pixels + c), static_cast<unsigned long long>(__popc(alike)));
    }
  }
}

__global__ void number_painting_kernel(View<std::int32_t> map, const std::int32_t* ids, const std::int32_t* classes,
                                       const std::int32_t* class_ids, std::int64_t count) {
  for (std::int64_t i = first_thread(); i < map.size(); i += thread_stride()) {
    map.data[i] = painted_id(map.data[i], classes != nullptr ? classes[i] : -1, ids, class_ids, count);
  }
}

template <class T>
__global__ void separate_objects_kernel(const T* scores, std::int64_t n, std::int64_t plane, const float* object_scores,
                                        T lowered, T* result) {
  const float limit = as_float(lowered);
  for (std::int64_t i = first_thread(); i < plane; i += thread_stride()) {
    std::int64_t winner = -1;
    float best = 0;
    for (std::int64_t k = 0; k < n; ++k) {
      const float score = as_float(scores[k * plane + i]);
      const float value = object_scores != nullptr ? object_scores[k] : score;
      const bool wins = object_scores != nullptr ? score > 0 && value > best
                        : winner < 0             ? value == value
                                                 : value > best;
      if (!wins) continue;
      best = value;
      winner = k;
    }
    for (std::int64_t k = 0; k < n; ++k) {
      const T score = scores[k * plane + i];
      result[k * plane + i] = winner != k && as_float(score) > limit ? lowered : score;
    }
  }
}

void zero(const Context& context, void* data, std::int64_t bytes) {
  check(cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), context.stream), "cudaMemsetAsync");
}

}  // namespace

void paint_masks(const Context& context, const Masks& masks, const double* scores, const PaintRule& rule,
                 const Painting& painting) {
  const std::int64_t n = masks.n, pixels = masks.h * masks.w, words = 2 * masks.words() * masks.h;
  zero(context, painting.map, 4 * pixels);
  zero(context, painting.painted, n);
  zero(context, painting.visible, 8 * n);
  if (n == 0) return;
  const std::uint64_t* bits = masks.bits().data;
  if (!masks.packed) {
    auto* packed = context.scratch<std::uint64_t>(n * masks.mask_words());
    pack(context, masks.bytes(), {packed, n, masks.h, masks.w});
    bits = packed;
  }
  const MaskWords view{reinterpret_cast<const std::uint32_t*>(bits), n, masks.h, masks.w};
  auto* order = context.scratch<std::int64_t>(n + 1);
  zero(context, order, 8 * (n + 1));
  RM_LAUNCH(order_masks_kernel, grid_of_threads(n), kThreads, 0, context.stream, scores, n, rule, order);
  auto* extents = context.scratch<MaskExtent>(n);
  zero(context, extents, n * static_cast<std::int64_t>(sizeof *extents));
  const std::int64_t per_mask = 1 + words / (16 * kThreads);
  RM_LAUNCH(measure_masks_kernel, n * per_mask, kThreads, 0, context.stream, view, per_mask, extents);
  const bool alone = rule.over || (rule.by_visible ? rule.limit <= 0 : rule.limit >= 1);
  if (!alone) {
    auto* taken = context.scratch<std::uint32_t>(words);
    zero(context, taken, 4 * words);
    RM_LAUNCH(decide_painting_kernel, 1, kPaintThreads, 0, context.stream, view, order, rule, extents, taken,
              painting.painted);
  }
  RM_LAUNCH(paint_words_kernel, grid_of_threads(words > n ? words : n), kThreads, 0, context.stream, view, order, rule,
            !alone, extents, painting);
}

void count_unpainted(const Context& context, const View<const std::int32_t>& map, const std::int32_t* classes,
                     std::int64_t count, std::int64_t* pixels) {
  zero(context, pixels, 8 * count);
  RM_LAUNCH(count_unpainted_kernel, grid_of_threads(map.size()), kThreads, 0, context.stream, map, classes, count,
            pixels);
}

void number_painting(const Context& context, const View<std::int32_t>& map, const std::int32_t* ids,
                     const std::int32_t* classes, const std::int32_t* class_ids, std::int64_t count) {
  RM_LAUNCH(number_painting_kernel, grid_of_threads(map.size()), kThreads, 0, context.stream, map, ids, classes,
            class_ids, count);
}

void non_overlapping(const Context& context, const Image& scores, const float* object_scores, float background,
                     void* result) {
  const std::int64_t plane = scores.image_size();
  if (scores.size() == 0) return;
  visit_logits(scores.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    RM_LAUNCH(separate_objects_kernel<T>, grid_of_threads(plane), kThreads, 0, context.stream,
              static_cast<const T*>(scores.data), scores.n, plane, object_scores, nearest<T>(background),
              static_cast<T*>(result));
  });
}

}  // namespace rapidmask::cuda
