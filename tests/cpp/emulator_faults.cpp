// Kernels with planted faults, and correct ones beside them, which show what the emulator finds.
//
//   emulator_faults CASE [SEED]
//
// exits with 0 when the case's results are right, 1 when the emulator refused it (its report on stderr), 2 when the
// results are wrong, and with a sanitizer's own status when that stopped it. The case `speed` prints how long a step of
// one thread takes.
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "port.cuh"

namespace {

using namespace rapidmask::cuda;
using rapidmask::CudaError;

struct WrongResult {
  std::string what;
};

template <class T>
void expect_equal(const T& got, const T& wanted, const char* what) {
  if (!(got == wanted)) throw WrongResult{what};
}

std::vector<int> numbers(int n) {
  std::vector<int> out(n);
  for (int i = 0; i < n; ++i) out[i] = (i * 2654435761u >> 16) % 100;
  return out;
}

// --- Correct: warp and block helpers ---

template <class T>
__global__ void scan_kernel(const int* in, T* exclusive, T* total) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  T sum;
  exclusive[i] = block_exclusive_scan<T>(in[i], sum);
  const T again = block_sum<T>(in[i]);
  if (threadIdx.x == blockDim.x - 1) total[blockIdx.x] = sum == again ? sum : T(-1);
}

template <class T>
void scan_and_sum() {
  for (const int threads : {32, 96, 256, 1024}) {
    const int blocks = 3;
    const std::vector<int> in = numbers(blocks * threads);
    std::vector<T> exclusive(in.size()), total(blocks), wanted(in.size()), wanted_total(blocks);
    for (int b = 0; b < blocks; ++b) {
      const auto from = in.begin() + b * threads;
      std::exclusive_scan(from, from + threads, wanted.begin() + b * threads, T{0});
      wanted_total[b] = std::accumulate(from, from + threads, T{0});
    }
    RM_LAUNCH(scan_kernel<T>, blocks, threads, 0, nullptr, in.data(), exclusive.data(), total.data());
    expect_equal(exclusive, wanted, "exclusive scan");
    expect_equal(total, wanted_total, "sum");
  }
}

template <class T>
__global__ void shuffle_kernel(T* out, int width) {
  const int lane = lane_id();
  const T mine = static_cast<T>(lane) * T(3);
  out[lane] = __shfl_sync(kFullWarp, mine, lane + 5, width);
  out[32 + lane] = __shfl_up_sync(kFullWarp, mine, 3, width);
  out[64 + lane] = __shfl_down_sync(kFullWarp, mine, 3, width);
  out[96 + lane] = __shfl_xor_sync(kFullWarp, mine, 5, width);
}

template <class T>
void shuffles() {
  for (const int width : {32, 16, 8, 4}) {
    std::vector<T> out(128), wanted(128);
    for (int lane = 0; lane < 32; ++lane) {
      const int first = lane / width * width, last = first + width - 1;
      const auto put = [&](int at, int source) { wanted[at + lane] = static_cast<T>(source) * T(3); };
      put(0, first + (lane + 5) % width);
      put(32, lane - 3 < first ? lane : lane - 3);
      put(64, lane + 3 > last ? lane : lane + 3);
      put(96, (lane ^ 5) > last ? lane : lane ^ 5);
    }
    RM_LAUNCH(shuffle_kernel<T>, 1, 32, 0, nullptr, out.data(), width);
    expect_equal(out, wanted, "shuffle");
  }
}

// Lanes that agree on in[i] add together: one atomic per group, with collectives on the group's own mask.
__global__ void match_kernel(const int* in, int* histogram, unsigned* groups) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const unsigned peers = __match_any_sync(kFullWarp, in[i]);
  groups[i] = peers;
  __syncwarp(peers);
  const int count = __reduce_add_sync(peers, 1);
  if (__ffs(static_cast<int>(peers)) - 1 == lane_id()) atomicAdd(&histogram[in[i]], count);
}

void match() {
  std::vector<int> in = numbers(512), histogram(7), wanted(7);
  std::vector<unsigned> groups(in.size()), wanted_groups(in.size());
  for (int& x : in) x %= 7;
  for (std::size_t i = 0; i < in.size(); ++i) {
    ++wanted[in[i]];
    for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) wanted_groups[i] |= unsigned{in[j] == in[i]} << j % 32;
  }
  RM_LAUNCH(match_kernel, 4, 128, 0, nullptr, in.data(), histogram.data(), groups.data());
  expect_equal(groups, wanted_groups, "match_any");
  expect_equal(histogram, wanted, "histogram");
}

__global__ void vote_kernel(const int* in, int* out) {
  const int x = in[threadIdx.x];
  int* mine = out + threadIdx.x * 12;
  mine[0] = static_cast<int>(__ballot_sync(kFullWarp, x & 1));
  mine[1] = __any_sync(kFullWarp, x > 98);
  mine[2] = __all_sync(kFullWarp, x < 98);
  mine[3] = __reduce_min_sync(kFullWarp, x - 50);
  mine[4] = __reduce_max_sync(kFullWarp, x - 50);
  mine[5] = static_cast<int>(__reduce_or_sync(kFullWarp, 1u << x % 32));
  mine[6] = static_cast<int>(__reduce_and_sync(kFullWarp, ~(1u << x % 32)));
  mine[7] = static_cast<int>(__reduce_max_sync(kFullWarp, static_cast<unsigned>(x - 50)));
  mine[8] = __syncthreads_count(x > 50);
  mine[9] = __syncthreads_or(x > 98);
  mine[10] = __syncthreads_and(x < 98);
  mine[11] = warp_sum(x);
}

void votes() {
  const int threads = 128;
  const std::vector<int> in = numbers(threads);
  std::vector<int> out(threads * 12), wanted(threads * 12);
  for (int t = 0; t < threads; ++t) {
    int* w = &wanted[t * 12];
    w[2] = 1, w[3] = 1000, w[4] = -1000, w[6] = -1, w[10] = 1;
    for (int i = t / 32 * 32; i < t / 32 * 32 + 32; ++i) {
      const int x = in[i];
      w[0] |= static_cast<int>(unsigned(x & 1) << i % 32);
      w[1] |= x > 98;
      w[2] &= x < 98;
      w[3] = std::min(w[3], x - 50);
      w[4] = std::max(w[4], x - 50);
      w[5] |= static_cast<int>(1u << x % 32);
      w[6] &= static_cast<int>(~(1u << x % 32));
      w[7] = static_cast<int>(std::max(static_cast<unsigned>(w[7]), static_cast<unsigned>(x - 50)));
      w[11] += x;
    }
    for (const int x : in) w[8] += x > 50, w[9] |= x > 98, w[10] &= x < 98;
  }
  RM_LAUNCH(vote_kernel, 1, threads, 0, nullptr, in.data(), out.data());
  expect_equal(out, wanted, "votes and reductions");
}

struct Sums {
  int add, min, max, bits_or, bits_xor, cas;
  unsigned inc;
  unsigned long long wide;
  long long wide_min;
  float real;
  double real_wide;
  bool operator==(const Sums&) const = default;
};

__global__ void atomics_kernel(Sums* sums) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&sums->add, i);
  atomicMin(&sums->min, 7 - i);
  atomicMax(&sums->max, i);
  atomicOr(&sums->bits_or, 1 << i % 31);
  atomicXor(&sums->bits_xor, i);
  for (int old = ld_relaxed(&sums->cas);;) {
    const int seen = atomicCAS(&sums->cas, old, old + 2);
    if (seen == old) break;
    old = seen;
  }
  atomicInc(&sums->inc, 99u);
  atomicAdd(&sums->wide, 1ull << 33);
  atomicMin(&sums->wide_min, -(static_cast<long long>(i) << 33));
  atomicAdd(&sums->real, 0.5f);
  atomicAdd(&sums->real_wide, 0.25);
}

void atomics() {
  const int n = 1024;
  Sums got{}, wanted{};
  for (int i = 0; i < n; ++i) wanted.add += i, wanted.bits_xor ^= i;
  wanted.min = 7 - (n - 1), wanted.max = n - 1, wanted.bits_or = 0x7fffffff, wanted.cas = 2 * n, wanted.inc = n % 100;
  wanted.wide = 1ull * n << 33, wanted.wide_min = -(static_cast<long long>(n - 1) << 33);
  wanted.real = n / 2.0f, wanted.real_wide = n / 4.0;
  RM_LAUNCH(atomics_kernel, 4, 256, 0, nullptr, &got);
  expect_equal(got, wanted, "atomics");
}

__global__ void bits_kernel(int* bad) {
  const auto check = [&](bool ok) {
    if (!ok) ++*bad;
  };
  check(__popc(0xf0f0u) == 8 && __popcll(~0ull) == 64);
  check(__clz(0) == 32 && __clz(1) == 31 && __clz(-1) == 0 && __clzll(1) == 63);
  check(__ffs(0) == 0 && __ffs(8) == 4 && __ffsll(1ll << 40) == 41);
  check(__brev(1u) == 0x80000000u && __brev(0x0000a5f0u) == 0x0fa50000u && __brevll(2ull) == 1ull << 62);
  check(__funnelshift_l(0x80000001u, 0x00000001u, 1) == 3 && __funnelshift_r(1u, 3u, 1) == 0x80000000u);
  check(__funnelshift_l(5u, 9u, 32) == 9 && __funnelshift_r(5u, 9u, 32) == 5);
  check(__byte_perm(0x33221100u, 0x77665544u, 0x7410) == 0x77441100u && __byte_perm(0x00800000u, 0, 0x000a) == 0xffu);
  check(__float_as_int(1.0f) == 0x3f800000 && __int_as_float(0x40000000) == 2.0f);
  check(__longlong_as_double(__double_as_longlong(0.1)) == 0.1 && __fmaf_rn(2, 3, 4) == 10.0f &&
        __fma_rn(2, 3, 4) == 10.0);
  check(min(3, 5u) == 3 && max(-1, 5) == 5 && min(2ll, 1ll) == 1 && min(-1, 5u) == 5u && max(1.5f, 2.0) == 2.0 &&
        min(NAN, 1.0f) == 1.0f);
  const uint4 words = make_uint4(1, 2, 3, 4);
  uint4 copy;
  __stcs(&copy, __ldg(&words));
  check(__ldcg(&copy).w == 4 && __ldcs(&copy).x == 1 && sizeof(ulonglong2) == 16 && alignof(float4) == 16);
}

void bits() {
  int bad = 0;
  RM_LAUNCH(bits_kernel, 1, 1, 0, nullptr, &bad);
  expect_equal(bad, 0, "bit operations");
}

// --- Correct: launches ---

__global__ void index_kernel(int* out) {
  RM_DYNAMIC_SHARED(unsigned char, poisoned);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  out[i] = static_cast<int>(i) + (poisoned[thread] == 0);  // shared memory is never zero by chance
}

void geometry() {
  const dim3 grid(3, 2, 2), block(5, 3, 7);
  std::vector<int> out(12 * 105), wanted(out.size());
  std::iota(wanted.begin(), wanted.end(), 0);
  RM_LAUNCH(index_kernel, grid, block, 105, nullptr, out.data());
  expect_equal(out, wanted, "indices");
  RM_LAUNCH(index_kernel, 0, block, 0, nullptr, nullptr);  // an empty grid launches nothing
  RM_LAUNCH(index_kernel, dim3(4, 0), block, 0, nullptr, nullptr);
  RM_LAUNCH(index_kernel, grid, block, 100 << 10, nullptr, out.data());
}

// A block waits for the one before it, as a look-back scan does.
__global__ void chain_kernel(int* flags, int* values) {
  const int i = static_cast<int>(blockIdx.x);
  if (threadIdx.x == 0) {
    while (i > 0 && ld_relaxed(&flags[i - 1]) == 0) __nanosleep(20);
    __threadfence();
    values[i] = i > 0 ? values[i - 1] + i : 0;
    __threadfence();
    st_relaxed(&flags[i], 1);
  }
}

void chain() {
  std::vector<int> flags(64), values(64), wanted(64);
  for (int i = 1; i < 64; ++i) wanted[i] = wanted[i - 1] + i;
  RM_LAUNCH(chain_kernel, 64, 32, 0, nullptr, flags.data(), values.data());
  expect_equal(values, wanted, "chained blocks");
}

void after_fork() {
  scan_and_sum<int>();
  if (const pid_t child = fork(); child == 0) {
    scan_and_sum<int>();
    _exit(0);
  } else {
    int status = -1;
    waitpid(child, &status, 0);
    expect_equal(status, 0, "a launch after a fork");
  }
  scan_and_sum<int>();
}

void host_threads() {
  std::vector<std::thread> hosts;
  for (int i = 0; i < 3; ++i) hosts.emplace_back([] { atomics(); });
  for (std::thread& host : hosts) host.join();
  rapidmask::emu::set_workers(3);
  atomics();
}

// --- Union-find, correct and not ---

enum class Link { atomic, plain_write, plain_read };

template <Link link>
__device__ int find_root(int* parent, int i) {
  for (int up;; i = up) {
    up = link == Link::plain_read ? parent[i] : ld_relaxed(&parent[i]);
    if (up == i) return i;
  }
}

template <Link link>
__global__ void unite_kernel(int* parent, const int2* pairs, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= count) return;
  int a = pairs[i].x, b = pairs[i].y;
  for (;;) {
    a = find_root<link>(parent, a);
    b = find_root<link>(parent, b);
    if (a == b) return;
    if (a < b) {
      const int swap = a;
      a = b;
      b = swap;
    }
    if constexpr (link == Link::plain_write) {
      st_relaxed(&parent[a], b);  // loses the link that another thread made since
      return;
    } else {
      const int old = atomicMin(&parent[a], b);
      if (old == a) return;
      a = old;
    }
  }
}

template <Link link>
void unite() {  // elements equal modulo 8 end in one set; the pairs are trees, so that one lost link shows
  const int n = 2048;
  std::vector<int> parent(n), roots(n), wanted(n);
  std::vector<int2> pairs;
  std::iota(parent.begin(), parent.end(), 0);
  const auto shuffled = [](int i) { return i / 8 * 101 % 256 * 8 + i % 8; };  // else each root would have one link only
  for (int k = 0; k < n; ++k) {
    const int i = k * 1283 % n;  // each element once, far from its neighbours in the list
    if (i >= 8) pairs.push_back(make_int2(shuffled(i), shuffled(i % 8 + i * 37 % (i / 8) * 8)));
  }
  const int count = static_cast<int>(pairs.size());
  RM_LAUNCH(unite_kernel<link>, (count + 255) / 256, 256, 0, nullptr, parent.data(), pairs.data(), count);
  for (int i = 0; i < n; ++i) {
    wanted[i] = i % 8;
    for (roots[i] = i; parent[roots[i]] != roots[i];) roots[i] = parent[roots[i]];
  }
  expect_equal(roots, wanted, "components");
}

// --- Other faults ---

template <bool with_barrier>
__global__ void reverse_kernel(int* out) {
  RM_DYNAMIC_SHARED(int, line);
  line[threadIdx.x] = static_cast<int>(threadIdx.x);
  if constexpr (with_barrier) __syncthreads();
  out[threadIdx.x] = line[threadIdx.x ^ 1];
}

template <bool with_barrier>
void reverse() {  // without the barrier, the odd lanes read what is there already: half of the results stay right
  std::vector<int> out(64);
  RM_LAUNCH(reverse_kernel<with_barrier>, 1, 64, 64 * sizeof(int), nullptr, out.data());
  for (int i = 1; i < 64; i += 2) expect_equal(out[i], i ^ 1, "reversed");
}

__global__ void overrun_kernel(int shift) {
  RM_DYNAMIC_SHARED(int, line);
  line[static_cast<int>(threadIdx.x) + shift] = 1;
}

__global__ void read_past_kernel(const int* in, int* out) { out[threadIdx.x] = in[threadIdx.x + 1]; }

void read_past() {
  int *in = nullptr, out[32] = {};
  check(cudaMalloc(&in, 32 * sizeof(int)), "cudaMalloc");
  check(cudaMemsetAsync(in, 0, 32 * sizeof(int), nullptr), "cudaMemsetAsync");
  RM_LAUNCH(read_past_kernel, 1, 32, 0, nullptr, in, out);
  check(cudaFree(in), "cudaFree");
}

__global__ void number_block_kernel(int* out) { out[threadIdx.x] = static_cast<int>(blockIdx.x); }

void blocks_race() {
  std::vector<int> out(32);
  RM_LAUNCH(number_block_kernel, 500, 32, 0, nullptr, out.data());
}

__global__ void divergent_barrier_kernel(int* out) {
  if (threadIdx.x < 16) __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void two_barriers_kernel(int* out) {
  if (threadIdx.x < 16) {
    out[threadIdx.x] = 1;
    __syncthreads();
  } else {
    __syncthreads();
  }
}

__global__ void ballot_after_return_kernel(int* out) {
  if (threadIdx.x >= 20) return;
  out[threadIdx.x] = static_cast<int>(__ballot_sync(kFullWarp, 1));
}

__global__ void other_masks_kernel(int* out) {
  out[threadIdx.x] = __shfl_sync(threadIdx.x % 2 ? 0xaaaaaaaau : kFullWarp, 1, 0);
}

__global__ void own_bit_missing_kernel(int* out) { out[threadIdx.x] = __any_sync(0xfu, 1); }
__global__ void trap_kernel(int* out) {
  if (*out == 0 && threadIdx.x == 3) __trap();
}
__global__ void nothing_kernel() {}

template <class Block>
void on_ints(void (*kernel)(int*), const char* name, Block block) {
  std::vector<int> out(1024);
  launch(name, kernel, 1, block, 0, nullptr, out.data());
}
#define ON_INTS(kernel, block) [] { on_ints(kernel, #kernel, block); }

// --- Speed ---

__global__ void ballots_kernel(unsigned* out, int rounds) {
  unsigned count = 0;
  for (int r = 0; r < rounds; ++r) count += __popc(__ballot_sync(kFullWarp, (threadIdx.x >> r % 5) & 1));
  out[blockIdx.x * blockDim.x + threadIdx.x] = count;
}
__global__ void barriers_kernel(unsigned* out, int rounds) {
  for (int r = 0; r < rounds; ++r) __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = 0;
}

void speed() {
  std::vector<unsigned> out(256 * 1024);
  const auto time = [&](const char* what, void (*kernel)(unsigned*, int), int rounds) {
    const auto start = std::chrono::steady_clock::now();
    launch(what, kernel, 1024, 256, 0, nullptr, out.data(), rounds);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    std::printf("%s: %.1f ns a thread-step\n", what, took.count() / (1024.0 * 256 * rounds));
  };
  time("ballot", ballots_kernel, 20);
  time("barrier", barriers_kernel, 20);
  time("thread", barriers_kernel, 1);
}

const std::map<std::string, void (*)()> kCases = {
    {"scan_int", scan_and_sum<int>},
    {"scan_unsigned", scan_and_sum<unsigned>},
    {"scan_int64", scan_and_sum<std::int64_t>},
    {"shuffle_int", shuffles<int>},
    {"shuffle_float", shuffles<float>},
    {"shuffle_double", shuffles<double>},
    {"shuffle_wide", shuffles<unsigned long long>},
    {"match", match},
    {"votes", votes},
    {"atomics", atomics},
    {"bits", bits},
    {"geometry", geometry},
    {"chain", chain},
    {"after_fork", after_fork},
    {"host_threads", host_threads},
    {"union", unite<Link::atomic>},
    {"barrier", reverse<true>},
    {"speed", speed},

    {"union_not_atomic", unite<Link::plain_write>},
    {"union_plain_read", unite<Link::plain_read>},
    {"barrier_removed", reverse<false>},
    {"shared_write_past", [] { RM_LAUNCH(overrun_kernel, 1, 32, 32 * sizeof(int), nullptr, 1); }},
    {"shared_write_before", [] { RM_LAUNCH(overrun_kernel, 1, 32, 32 * sizeof(int), nullptr, -2); }},
    {"global_read_past", read_past},
    {"blocks_race", blocks_race},
    {"divergent_barrier", ON_INTS(divergent_barrier_kernel, 64)},
    {"two_barriers", ON_INTS(two_barriers_kernel, 32)},
    {"ballot_after_return", ON_INTS(ballot_after_return_kernel, 32)},
    {"ballot_short_warp", ON_INTS(ballot_after_return_kernel, 18)},
    {"other_masks", ON_INTS(other_masks_kernel, 32)},
    {"own_bit_missing", ON_INTS(own_bit_missing_kernel, 32)},
    {"trap", ON_INTS(trap_kernel, 32)},
    {"block_too_large", [] { RM_LAUNCH(nothing_kernel, 1, 1025, 0, nullptr); }},
    {"block_empty", [] { RM_LAUNCH(nothing_kernel, 1, dim3(32, 0), 0, nullptr); }},
    {"grid_too_tall", [] { RM_LAUNCH(nothing_kernel, dim3(1, 65536), 32, 0, nullptr); }},
    {"grid_too_wide", [] { RM_LAUNCH(nothing_kernel, 1ll << 32, 32, 0, nullptr); }},
    {"grid_negative", [] { RM_LAUNCH(nothing_kernel, -1, 32, 0, nullptr); }},
    {"shared_not_allowed",
     [] { rapidmask::emu::launch(nullptr, "nothing_kernel", 1, 32, kSharedUnasked + 1, nothing_kernel); }},
    {"shared_too_large", [] { RM_LAUNCH(nothing_kernel, 1, 32, (225 << 10) + 1, nullptr); }},
    {"shared_lowered",
     [] {
       cudaFuncSetAttribute(nothing_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 400);
       RM_LAUNCH(nothing_kernel, 1, 32, 401, nullptr);
     }},
    {"shared_attribute_too_large",
     [] {
       constexpr int kBytes = (225 << 10) + 1;  // with a kernel's own more than a block has
       check(cudaFuncSetAttribute(nothing_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes), "attribute");
     }},
};

}  // namespace

int main(int argc, char** argv) {
  const auto found = kCases.find(argc > 1 ? argv[1] : "");
  if (found == kCases.end()) {
    for (const auto& [name, body] : kCases) std::puts(name.c_str());
    return 3;
  }
  if (argc > 2) rapidmask::emu::set_seed(std::strtoull(argv[2], nullptr, 10));
  try {
    found->second();
  } catch (const CudaError& error) {
    std::fprintf(stderr, "%s\n", error.what());
    try {
      votes();  // a refused launch leaves the emulator in order
    } catch (...) {
      return 4;
    }
    return 1;
  } catch (const WrongResult& wrong) {
    std::fprintf(stderr, "wrong result: %s\n", wrong.what.c_str());
    return 2;
  }
  return 0;
}
