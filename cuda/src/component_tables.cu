// Tables of components: numbers first, then, with the number of all of them known, measures from runs. Sums are of
// integers and exact, so that they depend on no order.

#include <limits>

#include "component_batch.cuh"
#include "component_ranks.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kScanThreads = 1024;
constexpr long long kNowhere = std::numeric_limits<std::int32_t>::max();  // beyond every pixel

// One block.
__global__ void __launch_bounds__(kScanThreads, 1)
    sum_counts_kernel(const std::int64_t* counts, std::int64_t n, std::int64_t* offsets) {
  std::int64_t sum = 0;
  for (std::int64_t first = 0; first <= n; first += kScanThreads) {
    const std::int64_t i = first + threadIdx.x;
    std::int64_t total;
    const std::int64_t before = block_exclusive_scan(i < n ? counts[i] : std::int64_t{0}, total);
    if (i <= n) offsets[i] = sum + before;
    sum += total;
  }
}

// Where measures are gathered: for each component its area, the sums of its coordinates y, x or z, y, x, and its box.
struct Measures {
  int axes;
  long long* boxes;
  unsigned long long* areas;
  unsigned long long* sums;
};

__global__ void start_measures_kernel(Measures measures, std::int64_t count) {
  const int axes = measures.axes;
  for (std::int64_t c = first_thread(); c < count; c += thread_stride()) {
    measures.areas[c] = 0;
    for (int a = 0; a < axes; ++a) {
      measures.sums[axes * c + a] = 0;
      measures.boxes[2 * axes * c + a] = kNowhere;
      measures.boxes[2 * axes * c + axes + a] = 0;
    }
  }
}

// Most runs do not widen the box of their component, which a read tells for less than an atomic.
__device__ __forceinline__ void widen(long long* begin, long long* end, long long first, long long past) {
  if (ld_relaxed(begin) > first) atomicMin(begin, first);
  if (ld_relaxed(end) < past) atomicMax(end, past);
}

__global__ void __launch_bounds__(kThreads, 1)
    gather_measures_kernel(Forests forests, const std::int64_t* offsets, Measures measures) {
  const Layout& layout = forests.layout;
  const int axes = measures.axes;
  for_each_strip(layout, forests.n, [&](std::int64_t i, const Place& place) {
    const GlobalNodes nodes = forests.nodes_of(i);
    const Runs runs = runs_at(layout, forests.run_words(i), place);
    const int last = last_length(layout, runs);
    const long long y = place.row % static_cast<std::uint32_t>(layout.h);
    const long long z = place.row / static_cast<std::uint32_t>(layout.h);
    for (std::uint64_t rest = runs.starts; rest != 0; rest &= rest - 1) {
      const int bit = lowest_bit(rest);
      const long long length = (rest & (rest - 1)) == 0 ? last : lowest_bit(~(runs.word >> bit));
      const long long x = 64 * place.k + bit;
      const std::int64_t c = offsets[i] + payload(nodes, find_root(nodes, runs.node_of(bit))) - 1;
      const auto add = [&](unsigned long long* sum, long long value) {
        atomicAdd(sum, static_cast<unsigned long long>(value));
      };
      add(measures.areas + c, length);
      unsigned long long* sums = measures.sums + axes * c + axes - 1;
      add(sums, (x + x + length - 1) * length / 2);
      add(sums - 1, y * length);
      long long* box = measures.boxes + 2 * axes * c;
      widen(box, box + axes, x, x + length);
      widen(box + 1, box + axes + 1, y, y + 1);
      if (axes == 2) continue;
      add(sums - 2, z * length);
      widen(box + 2, box + axes + 2, z, z + 1);
    }
  });
}

__global__ void write_centroids_kernel(Measures measures, std::int64_t count, double* centroids) {
  for (std::int64_t k = first_thread(); k < measures.axes * count; k += thread_stride()) {
    centroids[k] = centroid(static_cast<std::int64_t>(measures.sums[k]),
                            static_cast<std::int64_t>(measures.areas[k / measures.axes]));
  }
}

}  // namespace

void connected_components(const Context& context, const Masks& masks, int connectivity, std::int32_t* labels,
                          std::int64_t* offsets, const MakeComponentTable& make_table) {
  if (masks.pixels() == 0 || masks.n == 0) {
    check(cudaMemsetAsync(offsets, 0, static_cast<std::size_t>(masks.n + 1) * sizeof *offsets, context.stream),
          "cudaMemsetAsync");
    make_table(0);
    return;
  }
  auto* counts = context.scratch<std::int64_t>(masks.n);
  const Forests forests = join_runs(context, masks, {connectivity, false, kNoMarks});
  rank_roots(context, RunCandidates{forests}, NumberRoots{forests.nodes, forests.layout.nodes(), counts}, masks.n);
  RM_LAUNCH(sum_counts_kernel, 1, kScanThreads, 0, context.stream, counts, masks.n, offsets);
  if (labels != nullptr) write_payloads(context, forests, masks.pixels(), labels);

  const std::int64_t count = context.to_host(offsets + masks.n, 1).front();
  const ComponentTable table = make_table(count);
  const int axes = is_volume(connectivity) ? 3 : 2;
  const Measures measures{axes, reinterpret_cast<long long*>(table.boxes),
                          reinterpret_cast<unsigned long long*>(table.areas),
                          context.scratch<unsigned long long>(axes * count)};
  RM_LAUNCH(start_measures_kernel, grid_of_threads(count), kThreads, 0, context.stream, measures, count);
  if (count == 0) return;
  RM_LAUNCH(gather_measures_kernel, grid_of_strips(forests.layout, masks.n), kThreads, 0, context.stream, forests,
            offsets, measures);
  RM_LAUNCH(write_centroids_kernel, grid_of_threads(axes * count), kThreads, 0, context.stream, measures, count,
            table.centroids);
}

}  // namespace rapidmask::cuda
