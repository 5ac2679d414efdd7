// Morphology on the CPU: streams of rows, and whole masks between them where iterations are many.

#include "rapidmask/morphology.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"
#include "row_passes.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kMostPasses = 64;  // of one stream: each keeps a ring of rows in cache
constexpr std::int64_t kGrainPixels = 1 << 20;

void stream(const Masks& masks, const MorphologyPasses& plan, const MutableMasks& result) {
  const StreamGraph graph(masks, plan, result);
  const std::int64_t rows = masks.d * masks.h;
  // What lies within reach of a band is computed by both of its neighbours.
  const std::int64_t grain = std::max({std::int64_t{64}, kGrainPixels / masks.w, std::min(rows, 4 * graph.reach())});
  parallel_for(masks.n * rows, grain, [&](std::int64_t begin, std::int64_t end) {
    StreamWorker worker(graph);
    while (begin < end) {
      const std::int64_t mask = begin / rows, first = begin % rows;
      const std::int64_t last = std::min(rows, first + (end - begin));
      worker.run(mask, first, last);
      begin += last - first;
    }
  });
}

std::int64_t count_passes(const std::vector<MorphologyPass>& passes) {
  std::int64_t count = 0;
  for (const MorphologyPass& pass : passes) count += std::min(pass.times, kMostPasses + 1);
  return count;
}

// Packed masks of the shape of others, in memory of their own.
struct PackedCopy {
  std::vector<std::uint64_t> words;
  MutableMasks view;

  explicit PackedCopy(const Masks& like)
      : words(static_cast<std::size_t>(like.n * like.mask_words())),
        view{reinterpret_cast<std::uint8_t*>(words.data()), true, like.n, like.d, like.h, like.w} {}
  Masks masks() const { return {view.data, true, view.n, view.d, view.h, view.w}; }
};

// All passes, at most kMostPasses at a time. What so many iterations leave as it is, as many more do too.
PackedCopy run_passes(const Masks& input, const std::vector<MorphologyPass>& passes) {
  PackedCopy now(input), next(input);
  stream(input, {}, now.view);
  for (const MorphologyPass& pass : passes) {
    MorphologyPasses some;
    some.passes.push_back(pass);
    for (std::int64_t left = pass.times; left > 0;) {
      some.passes[0].times = std::min(left, kMostPasses);
      stream(now.masks(), some, next.view);
      left -= some.passes[0].times;
      if (some.passes[0].times == kMostPasses && now.words == next.words) left %= kMostPasses;
      std::swap(now.words, next.words);
      std::swap(now.view, next.view);
    }
  }
  return now;
}

void run_long(const Masks& masks, const MorphologyPasses& plan, const MutableMasks& result) {
  PackedCopy minuend = run_passes(masks, plan.passes);
  if (plan.difference != MorphologyPasses::none) {
    PackedCopy subtrahend = run_passes(masks, plan.subtracted);  // the masks themselves, unless both sides have passes
    if (plan.difference == MorphologyPasses::from_input) std::swap(minuend, subtrahend);
    const auto subtract = morphology_rows().subtract;
    parallel_for(static_cast<std::int64_t>(minuend.words.size()), kGrainPixels / 8,
                 [&](std::int64_t begin, std::int64_t end) {
                   std::uint64_t* const to = minuend.words.data() + begin;
                   subtract(to, subtrahend.words.data() + begin, end - begin, to);
                 });
  }
  stream(minuend.masks(), {}, result);
}

}  // namespace

void morphology(const Context&, const Masks& masks, const MorphologySettings& settings, const MutableMasks& result) {
  if (masks.n * masks.pixels() == 0) return;
  const MorphologyPasses plan = plan_morphology(settings, masks.d, masks.h, masks.w);
  if (count_passes(plan.passes) + count_passes(plan.subtracted) <= kMostPasses) return stream(masks, plan, result);
  run_long(masks, plan, result);
}

}  // namespace rapidmask::cpu
