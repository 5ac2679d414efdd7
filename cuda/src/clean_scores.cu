// Cleaning of scores: their signs become words, components of these are chosen as by filters, and what was chosen is
// painted over the scores. They are read once, and written once more where the result is another array.

#include "component_filters.cuh"

namespace rapidmask::cuda {
namespace {

// Calls body(i, j, pixel, pixels) for the lanes i + j that hold pixels, with their first pixel and how many there are;
// then after(i), for each four lanes from i on. What body() loads for four lanes is under way at a time.
constexpr int kLanesAtOnce = 4;
template <class Body, class After>
__device__ __forceinline__ void for_each_lane(const Layout& layout, const Place& place, const Body& body,
                                              const After& after) {
  const std::uint32_t pixel = place.pixel(layout);
  const std::int32_t pixels = place.pixels(layout);
  const unsigned filled = __ballot_sync(kFullWarp, pixels > 0);
  for (int i = 0; i < kWarpSize; i += kLanesAtOnce) {
    if ((filled >> i & ((1u << kLanesAtOnce) - 1)) == 0) continue;
    for (int j = 0; j < kLanesAtOnce; ++j) {
      body(i, j, __shfl_sync(kFullWarp, pixel, i + j), __shfl_sync(kFullWarp, pixels, i + j));
    }
    after(i);
  }
}

template <class T>
__device__ __forceinline__ bool is_nan(T x) {
  if constexpr (kIsHalfWidth<T>) {
    return (x.bits & 0x7fff) > KeyOf<T>::kInfinity;
  } else {
    return x != x;
  }
}

// What is foreground, what background: NaN is neither.
template <class T>
struct Signs {
  Bound<T> above;
  bool comparable;
  __device__ bool foreground(T x) const { return above(x); }
  __device__ bool background(T x) const { return comparable && !above(x) && !is_nan(x); }
};

template <class T>
double widened(T x) {
  if constexpr (kIsHalfWidth<T>) {
    return to_float(x);
  } else {
    return x;
  }
}

// What is asked for, in the scores' type.
template <class T>
struct Cleaning {
  Signs<T> signs;
  std::int64_t max_hole_area, max_sprinkle_area;
  T hole_value, sprinkle_value;
  bool keep_half;
  bool joined;  // holes belong to the foreground in which sprinkles are looked for
};

template <class T>
Cleaning<T> cleaning_of(const ScoreCleaning& cleaning) {
  const double threshold = widened(nearest<T>(cleaning.threshold));
  const Bound<T> above = make_bound<T>(threshold, true);
  const T hole_value = nearest<T>(cleaning.hole_value);
  return {{above, threshold == threshold},
          cleaning.max_hole_area,
          cleaning.max_sprinkle_area,
          hole_value,
          nearest<T>(cleaning.sprinkle_value),
          cleaning.keep_half,
          cleaning.sprinkles_after_holes && above(hole_value)};
}

struct SignWords {
  std::uint64_t foreground, background;
};

// Copies the scores to `result`, unless it is theirs.
template <class T>
__device__ __forceinline__ SignWords read_signs(const Layout& layout, const Place& place, const Signs<T>& signs,
                                                const T* scores, T* result) {
  constexpr int kScores = 2 * kLanesAtOnce;  // of a lane; read before any of them is written
  const int lane = lane_id();
  T score[kScores];
  std::uint32_t at[kScores];
  bool there[kScores];
  SignWords words{0, 0};
  for_each_lane(
      layout, place,
      [&](int, int j, std::uint32_t pixel, std::int32_t pixels) {
        for (int k = 2 * j; k < 2 * j + 2; ++k) {
          const int x = lane + kWarpSize * (k % 2);
          at[k] = pixel + static_cast<std::uint32_t>(x);
          there[k] = x < pixels;
          if (there[k]) score[k] = scores[at[k]];
        }
      },
      [&](int i) {
        for (int k = 0; k < kScores; ++k) {
          const std::uint64_t above = __ballot_sync(kFullWarp, there[k] && signs.foreground(score[k]));
          const std::uint64_t below = __ballot_sync(kFullWarp, there[k] && signs.background(score[k]));
          if (there[k] && result != scores) result[at[k]] = score[k];
          if (lane != i + k / 2) continue;
          words.foreground |= above << k % 2 * kWarpSize;
          words.background |= below << k % 2 * kWarpSize;
        }
      });
  return words;
}

template <class T>
__device__ __forceinline__ void paint(const Layout& layout, const Place& place, const Cleaning<T>& cleaning,
                                      std::uint64_t holes, std::uint64_t sprinkles, T* result) {
  for (unsigned rest = __ballot_sync(kFullWarp, (holes | sprinkles) != 0); rest != 0; rest &= rest - 1) {
    const int i = __ffs(static_cast<int>(rest)) - 1;
    const std::uint64_t of_holes = __shfl_sync(kFullWarp, holes, i);
    const std::uint64_t of_sprinkles = __shfl_sync(kFullWarp, sprinkles, i);
    T* to = result + __shfl_sync(kFullWarp, place.pixel(layout), i);
    for (int x = lane_id(); x < 64; x += kWarpSize) {
      if ((of_sprinkles >> x & 1) != 0) {
        to[x] = cleaning.sprinkle_value;
      } else if ((of_holes >> x & 1) != 0) {
        to[x] = cleaning.hole_value;
      }
    }
  }
}

// The runs of components with at most `most` pixels.
template <class Nodes>
__device__ __forceinline__ std::uint64_t small_runs(const Nodes& nodes, const Runs& runs, std::int64_t most) {
  return chosen_runs(runs, [&](std::uint32_t node) { return payload(nodes, find_root(nodes, node)) <= most; });
}

template <class T>
__device__ __forceinline__ std::int64_t most_sprinkles(const Cleaning<T>& cleaning, std::int64_t foreground) {
  const std::int64_t most = cleaning.max_sprinkle_area;
  return cleaning.keep_half && foreground / 2 < most ? foreground / 2 : most;
}

// The words of a strip, whose runs need no look at the next.
__device__ __forceinline__ Runs runs_of_words(const Layout& layout, const std::uint64_t* words, const Place& place) {
  return runs_of(layout, place.inside ? words[place.word(layout)] : 0, first_node(layout, place), false);
}

template <class T>
__global__ void __launch_bounds__(kSmallThreads, 1)
    clean_small_kernel(const T* all_scores, std::int64_t n, Layout layout, Connection connection, Cleaning<T> cleaning,
                       T* all_results) {
  RM_DYNAMIC_SHARED(std::uint64_t, background);  // then holes
  std::uint64_t* foreground = background + layout.mask_words();
  const SmallMask below = small_mask(layout, connection, background, 2 * layout.mask_words());
  const SmallMask above{layout, connection, foreground, below.nodes};
  const std::int64_t pixels = layout.pixels();
  for (std::int64_t i = blockIdx.x; i < n; i += gridDim.x) {
    T* result = all_results + i * pixels;
    join_small(below, i, [&](const Place& place) {
      const SignWords words = read_signs(layout, place, cleaning.signs, all_scores + i * pixels, result);
      if (place.inside) foreground[place.word(layout)] = words.foreground;
      return cleaning.max_hole_area > 0 ? words.background : 0;
    });
    add_small_areas(below);
    std::int64_t count = 0;
    for_each_place(layout, [&](const Place& place) {
      const Runs runs = runs_of_words(layout, background, place);
      const std::uint64_t holes = small_runs(below.nodes, runs, cleaning.max_hole_area);
      if (!place.inside) return;
      background[place.word(layout)] = holes;
      if (cleaning.joined) foreground[place.word(layout)] |= holes;
      count += __popcll(foreground[place.word(layout)]);
    });
    const std::int64_t most = most_sprinkles(cleaning, block_sum(count));
    join_small(above, i,
               [&](const Place& place) { return place.inside && most > 0 ? foreground[place.word(layout)] : 0; });
    add_small_areas(above);
    for_each_place(layout, [&](const Place& place) {
      const std::uint64_t holes = place.inside ? background[place.word(layout)] : 0;
      const std::uint64_t sprinkles = small_runs(above.nodes, runs_of_words(layout, foreground, place), most);
      paint(layout, place, cleaning, holes, sprinkles, result);
    });
    __syncthreads();  // the next image takes the memory
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 1)
    read_signs_kernel(const T* scores, std::int64_t n, Layout layout, Signs<T> signs, std::uint64_t* foreground,
                      std::uint64_t* background, T* result) {
  const std::int64_t pixels = layout.pixels();
  for_each_strip(layout, n, [&](std::int64_t i, const Place& place) {
    const SignWords words = read_signs(layout, place, signs, scores + i * pixels, result + i * pixels);
    if (!place.inside) return;
    const std::int64_t at = i * layout.mask_words() + static_cast<std::int64_t>(place.word(layout));
    foreground[at] = words.foreground;
    background[at] = words.background;
  });
}

// `foreground` takes the holes in unless it is null.
__global__ void __launch_bounds__(kThreads, 1)
    choose_holes_kernel(Forests background, std::int64_t most, std::uint64_t* holes, std::uint64_t* foreground) {
  const Layout& layout = background.layout;
  for_each_strip(layout, background.n, [&](std::int64_t i, const Place& place) {
    const Runs runs = runs_of_words(layout, background.words + i * layout.mask_words(), place);
    const std::uint64_t chosen = small_runs(background.nodes_of(i), runs, most);
    if (!place.inside) return;
    const std::int64_t at = i * layout.mask_words() + static_cast<std::int64_t>(place.word(layout));
    holes[at] = chosen;
    if (foreground != nullptr) foreground[at] |= chosen;
  });
}

// `holes` is null where none were looked for; `sums` is the foreground of each image where half of it is a limit.
template <class T>
__global__ void __launch_bounds__(kThreads, 1)
    paint_scores_kernel(Forests foreground, Cleaning<T> cleaning, const std::uint64_t* holes, const std::int32_t* sums,
                        T* results) {
  const Layout& layout = foreground.layout;
  const std::int64_t pixels = layout.pixels();
  for_each_strip(layout, foreground.n, [&](std::int64_t i, const Place& place) {
    const std::uint64_t of_holes = holes != nullptr && place.inside
                                       ? holes[i * layout.mask_words() + static_cast<std::int64_t>(place.word(layout))]
                                       : 0;
    std::uint64_t sprinkles = 0;
    if (cleaning.max_sprinkle_area > 0) {
      const Runs runs = runs_of_words(layout, foreground.words + i * layout.mask_words(), place);
      sprinkles = small_runs(foreground.nodes_of(i), runs, most_sprinkles(cleaning, sums != nullptr ? sums[i] : 0));
    }
    paint(layout, place, cleaning, of_holes, sprinkles, results + i * pixels);
  });
}

template <class T>
void clean_small(const Context& context, const T* scores, std::int64_t n, const Layout& layout, std::int64_t bytes,
                 const Connection& connection, const Cleaning<T>& cleaning, T* result) {
  const SmallLaunch small = small_launch(n, layout, bytes);
  RM_LAUNCH(clean_small_kernel<T>, small.grid, small.threads, small.bytes, context.stream, scores, n, layout,
            connection, cleaning, result);
}

template <class T>
void clean_large(const Context& context, const T* scores, std::int64_t n, const Layout& layout,
                 const Connection& connection, const Cleaning<T>& cleaning, T* result) {
  const std::int64_t words = n * layout.mask_words();
  const int grid = grid_of_strips(layout, n);
  auto* foreground = context.scratch<std::uint64_t>(words);
  auto* background = context.scratch<std::uint64_t>(words);
  std::uint64_t* holes = nullptr;
  RM_LAUNCH(read_signs_kernel<T>, grid, kThreads, 0, context.stream, scores, n, layout, cleaning.signs, foreground,
            background, result);
  const auto masks = [&](const std::uint64_t* data) {
    return Masks{reinterpret_cast<const std::uint8_t*>(data), true, n, layout.d, layout.h, layout.w};
  };
  Forests forests{layout, n, foreground, false, nullptr};
  if (cleaning.max_hole_area > 0) {
    holes = context.scratch<std::uint64_t>(words);
    forests = join_runs(context, masks(background), connection);
    add_areas(context, forests);
    RM_LAUNCH(choose_holes_kernel, grid, kThreads, 0, context.stream, forests, cleaning.max_hole_area, holes,
              cleaning.joined ? foreground : nullptr);
  }
  std::int32_t* sums = nullptr;
  if (cleaning.max_sprinkle_area > 0) {
    if (cleaning.keep_half) sums = context.scratch<std::int32_t>(n);
    forests = join_runs(context, masks(foreground), connection, forests.nodes);
    add_areas(context, forests, sums);
  }
  RM_LAUNCH(paint_scores_kernel<T>, grid, kThreads, 0, context.stream, forests, cleaning, holes, sums, result);
}

}  // namespace

void clean_scores(const Context& context, const Image& scores, const ScoreCleaning& cleaning, int connectivity,
                  void* result) {
  if (scores.size() == 0) return;
  const Layout layout = layout_of(1, scores.h, scores.w);
  const Connection connection{connectivity, false, kNoMarks};
  const std::int64_t bytes = small_bytes(layout, 2);
  visit_dtype(scores.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    if constexpr (kIsFloat<T> || kIsHalfWidth<T>) {
      const auto* from = static_cast<const T*>(scores.data);
      auto* to = static_cast<T*>(result);
      if (is_small(bytes)) {
        clean_small<T>(context, from, scores.n, layout, bytes, connection, cleaning_of<T>(cleaning), to);
      } else {
        clean_large<T>(context, from, scores.n, layout, connection, cleaning_of<T>(cleaning), to);
      }
    }
  });
}

}  // namespace rapidmask::cuda
