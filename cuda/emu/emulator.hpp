// CUDA on the CPU: lets g++ compile a .cu file and run every block with one fiber per CUDA thread, for tests.
//
//   g++ -x c++ -std=c++20 -DRM_EMULATE -I cuda/src -I cuda/emu -I cpp/include kernels.cu, linked with emulator.cpp
//
// What it finds, and with what:
//   - barriers and warp collectives that some thread never reaches: always, with kernel, block, threads and lines;
//   - a launch beyond the limits of the hardware, a write past dynamic shared memory (guard bytes): always;
//   - wrong results of a missing atomic or barrier: seeded pre-emption (set_seed), tried over some seeds;
//   - the data race itself: -fsanitize=thread, which knows the fibers. Barriers, __syncwarp and fences order memory;
//     votes, shuffles and relaxed atomics do not, as on the device. Races between blocks show when the blocks run on
//     different workers, so keep at least two;
//   - reads and writes outside of global memory: -fsanitize=address on exactly sized allocations; without it, the guard
//     bytes that the tests keep around each buffer. Static __shared__ arrays have no redzone: -fsanitize=bounds sees
//     an index past one of known size. They also keep what the last block left there; dynamic shared memory is
//     poisoned.
// What it cannot show: speed, coalescing, bank conflicts, occupancy, memory orders weaker than those of the thread
// sanitizer's model.
//
// A thread runs until it waits, so a loop that waits for another thread must read through ld_relaxed or an atomic,
// which yield now and then. Blocks start in order of their index. Launches are synchronous. Fibers and their stacks
// live as long as the worker thread, blocks never leave their worker, and kernels own nothing that needs a destructor:
// a failed block is dropped where it stands.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <source_location>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

// --- Qualifiers, vector types, built-in variables ---

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(n) alignas(n)
#define __shared__ static thread_local  // a block stays on one worker thread, which runs one block at a time
#define __constant__ static __attribute__((unused))

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct uint3 {
  unsigned x, y, z;
};

#define RM_EMU_VECTOR2(name, T)        \
  struct alignas(2 * sizeof(T)) name { \
    T x, y;                            \
  };                                   \
  inline name make_##name(T x, T y) { return {x, y}; }
#define RM_EMU_VECTOR4(name, T)        \
  struct alignas(4 * sizeof(T)) name { \
    T x, y, z, w;                      \
  };                                   \
  inline name make_##name(T x, T y, T z, T w) { return {x, y, z, w}; }
RM_EMU_VECTOR2(int2, int)
RM_EMU_VECTOR2(uint2, unsigned)
RM_EMU_VECTOR2(float2, float)
RM_EMU_VECTOR2(double2, double)
RM_EMU_VECTOR2(longlong2, long long)
RM_EMU_VECTOR2(ulonglong2, unsigned long long)
RM_EMU_VECTOR4(uchar4, unsigned char)
RM_EMU_VECTOR4(ushort4, unsigned short)
RM_EMU_VECTOR4(int4, int)
RM_EMU_VECTOR4(uint4, unsigned)
RM_EMU_VECTOR4(float4, float)
#undef RM_EMU_VECTOR4
#undef RM_EMU_VECTOR2

extern constinit thread_local uint3 threadIdx, blockIdx;
extern constinit thread_local dim3 blockDim, gridDim;

// --- The scheduler (emulator.cpp) ---

enum cudaError_t : int;

namespace rapidmask::emu {

using Site = std::source_location;  // where the kernel waits, for the reports

// clang-format off
enum class Wait : unsigned char {
  none, barrier, syncwarp, ballot, shuffle, match, add, min_s, min_u, max_s, max_u, bit_and, bit_or
};
// clang-format on

void set_workers(int count);        // host threads that run blocks; two unless set
void set_seed(std::uint64_t seed);  // 0: no pre-emption, threads in order; else a repeatable schedule per block
// Dynamic shared memory that a block can have with opting in: another device than sm_90, down to one that has none.
void set_shared_maximum(std::size_t bytes);
std::size_t shared_maximum();
std::vector<std::string> launched_kernels();  // their names as RM_LAUNCH was given them, each once
// What the device was asked for, in order, while it is recorded: a "launch" of a kernel, "fill", "to_device",
// "to_host", "on_device" (copies), "synchronize", or a "wait" for the stream that `detail` names.
struct Activity {
  std::string what, detail;
  std::uintptr_t stream;
};
void record_activity(bool on);  // from here on, or no longer
std::vector<Activity> activity();
// Every activity of that name fails from here on, with the error of a failed launch; the empty name ends it.
void set_failing(const std::string& what);
cudaError_t note(const char* what, const std::string& detail, const void* stream);
// Fills `bytes` of scratch memory within a larger allocation and, for the address sanitizer, closes what is around
// them, until open_scratch.
void close_scratch(void* scratch, std::size_t bytes, void* allocation, std::size_t allocated);
void open_scratch(void* allocation, std::size_t allocated);
const char* sanitizer();  // that this is built with: "address", "thread" or nothing

void launch(const void* kernel, const char* name, dim3 grid, dim3 block, std::size_t shared_bytes,
            const std::function<void()>& body);  // throws CudaError
void allow_dynamic_shared(const void* kernel, std::size_t bytes);

int barrier(bool predicate, Site at);  // the number of threads of the block whose predicate holds
std::uint64_t meet(Wait what, unsigned mask, std::uint64_t value, int source_lane, Site at);  // a warp collective
void step();  // a point where another thread may run
void fence();
int lane();
void* dynamic_shared();
[[noreturn]] void trap(Site at);

template <class T>
concept Word = std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8);
template <class T, class... Allowed>
concept OneOf = (std::same_as<T, Allowed> || ...);

template <Word T>
std::uint64_t to_bits(T value) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<std::uint32_t>(value);
  else
    return std::bit_cast<std::uint64_t>(value);
}
template <Word T>
T from_bits(std::uint64_t bits) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<std::uint32_t>(bits));
  else
    return std::bit_cast<T>(bits);
}

template <class T>
T ld_relaxed(const T* address) {
  const T value = __atomic_load_n(address, __ATOMIC_RELAXED);
  step();
  return value;
}
template <class T>
void st_relaxed(T* address, T value) {
  step();
  __atomic_store_n(address, value, __ATOMIC_RELAXED);
}

// A read-modify-write that may lose the processor before and after, as between any two instructions on a device.
template <class T, class Change>
T atomically(T* address, Change change) {
  step();
  std::atomic_ref<T> cell(*address);
  T old = cell.load(std::memory_order_relaxed);
  while (!cell.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  step();
  return old;
}

template <Word T>
T shuffle(unsigned mask, T value, int source, Site at) {
  return from_bits<T>(meet(Wait::shuffle, mask, to_bits(value), source, at));
}

}  // namespace rapidmask::emu

// --- Barriers, warp collectives, fences ---

#define RM_EMU_HERE ::rapidmask::emu::Site at = ::rapidmask::emu::Site::current()

inline void __syncthreads(RM_EMU_HERE) { rapidmask::emu::barrier(false, at); }
inline int __syncthreads_count(int predicate, RM_EMU_HERE) { return rapidmask::emu::barrier(predicate != 0, at); }
inline int __syncthreads_or(int predicate, RM_EMU_HERE) { return rapidmask::emu::barrier(predicate != 0, at) != 0; }
inline int __syncthreads_and(int predicate, RM_EMU_HERE) { return rapidmask::emu::barrier(predicate == 0, at) == 0; }
inline void __threadfence() { rapidmask::emu::fence(); }
inline void __threadfence_block() { rapidmask::emu::fence(); }
inline void __nanosleep(unsigned) { rapidmask::emu::step(); }
[[noreturn]] inline void __trap(RM_EMU_HERE) { rapidmask::emu::trap(at); }

inline void __syncwarp(unsigned mask = 0xffffffffu, RM_EMU_HERE) {
  rapidmask::emu::meet(rapidmask::emu::Wait::syncwarp, mask, 0, 0, at);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, RM_EMU_HERE) {
  return static_cast<unsigned>(rapidmask::emu::meet(rapidmask::emu::Wait::ballot, mask, predicate != 0, 0, at));
}
inline int __any_sync(unsigned mask, int predicate, RM_EMU_HERE) { return __ballot_sync(mask, predicate, at) != 0; }
inline int __all_sync(unsigned mask, int predicate, RM_EMU_HERE) { return __ballot_sync(mask, predicate, at) == mask; }
template <rapidmask::emu::Word T>
unsigned __match_any_sync(unsigned mask, T value, RM_EMU_HERE) {
  using namespace rapidmask::emu;
  return static_cast<unsigned>(meet(Wait::match, mask, to_bits(value), 0, at));
}

// A lane reads within its segment of `width` lanes, and itself when the source would lie outside of it.
template <rapidmask::emu::Word T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, RM_EMU_HERE) {
  const int first = rapidmask::emu::lane() & ~(width - 1);
  return rapidmask::emu::shuffle(mask, value, first + (source & (width - 1)), at);
}
template <rapidmask::emu::Word T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, RM_EMU_HERE) {
  const int lane = rapidmask::emu::lane(), source = lane - static_cast<int>(delta);
  return rapidmask::emu::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, at);
}
template <rapidmask::emu::Word T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, RM_EMU_HERE) {
  const int lane = rapidmask::emu::lane(), source = lane + static_cast<int>(delta);
  return rapidmask::emu::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, at);
}
template <rapidmask::emu::Word T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, RM_EMU_HERE) {
  const int lane = rapidmask::emu::lane(), source = lane ^ lanes;
  return rapidmask::emu::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, at);
}

#define RM_EMU_REDUCE(name, types, wait)                          \
  template <rapidmask::emu::OneOf<RM_EMU_TYPES_##types> T>        \
  T name(unsigned mask, T value, RM_EMU_HERE) {                   \
    using namespace rapidmask::emu;                               \
    return from_bits<T>(meet(wait, mask, to_bits(value), 0, at)); \
  }
#define RM_EMU_TYPES_any int, unsigned
#define RM_EMU_TYPES_bits unsigned
RM_EMU_REDUCE(__reduce_add_sync, any, Wait::add)
RM_EMU_REDUCE(__reduce_min_sync, any, (std::is_signed_v<T> ? Wait::min_s : Wait::min_u))
RM_EMU_REDUCE(__reduce_max_sync, any, (std::is_signed_v<T> ? Wait::max_s : Wait::max_u))
RM_EMU_REDUCE(__reduce_and_sync, bits, Wait::bit_and)
RM_EMU_REDUCE(__reduce_or_sync, bits, Wait::bit_or)
#undef RM_EMU_REDUCE

// --- Atomics: relaxed, for the types that CUDA has them for ---

#define RM_EMU_ATOMIC(name, change, ...)                                                \
  template <rapidmask::emu::OneOf<__VA_ARGS__> T>                                       \
  T name(T* address, std::type_identity_t<T> value) {                                   \
    return rapidmask::emu::atomically(address, [value](T old) -> T { return change; }); \
  }
#define RM_EMU_INTEGERS int, unsigned, unsigned long long
RM_EMU_ATOMIC(atomicAdd, old + value, RM_EMU_INTEGERS, float, double)
RM_EMU_ATOMIC(atomicSub, old - value, int, unsigned)
RM_EMU_ATOMIC(atomicMin, value < old ? value : old, RM_EMU_INTEGERS, long long)
RM_EMU_ATOMIC(atomicMax, value > old ? value : old, RM_EMU_INTEGERS, long long)
RM_EMU_ATOMIC(atomicAnd, (old & value), RM_EMU_INTEGERS)
RM_EMU_ATOMIC(atomicOr, old | value, RM_EMU_INTEGERS)
RM_EMU_ATOMIC(atomicXor, old ^ value, RM_EMU_INTEGERS)
RM_EMU_ATOMIC(atomicExch, (static_cast<void>(old), value), RM_EMU_INTEGERS, float)
RM_EMU_ATOMIC(atomicInc, old >= value ? 0u : old + 1, unsigned)
#undef RM_EMU_ATOMIC

template <rapidmask::emu::OneOf<RM_EMU_INTEGERS> T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> desired) {
  return rapidmask::emu::atomically(address, [=](T old) { return old == expected ? desired : old; });
}
#undef RM_EMU_INTEGERS

// --- Bits, bytes and arithmetic ---

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned long long __brevll(unsigned long long x) {
  x = __builtin_bswap64(x);
  x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
  x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
  return (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
}
inline unsigned __brev(unsigned x) { return static_cast<unsigned>(__brevll(x) >> 32); }
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>(((static_cast<std::uint64_t>(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return static_cast<unsigned>((static_cast<std::uint64_t>(high) << 32 | low) >> (shift & 31));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const std::uint64_t bytes = static_cast<std::uint64_t>(y) << 32 | x;
  unsigned out = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned pick = selector >> 4 * i & 15;
    unsigned byte = bytes >> 8 * (pick & 7) & 255;
    if (pick & 8) byte = byte & 128 ? 255 : 0;  // replicate the sign
    out |= byte << 8 * i;
  }
  return out;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }

template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}
template <class T>
void __stcg(T* p, std::type_identity_t<T> value) {
  *p = value;
}

// For the operands that CUDA has overloads for: integers of one type but for the sign, which meet in the unsigned one,
// and floating point, where a NaN yields the other operand.
namespace rapidmask::emu {
template <class T>
using Promoted = decltype(+T{});
template <class A, class B>
concept MinMax = (std::floating_point<A> && std::floating_point<B>) ||
                 (std::integral<A> && std::integral<B> &&
                  std::same_as<std::make_signed_t<Promoted<A>>, std::make_signed_t<Promoted<B>>>);
}  // namespace rapidmask::emu

template <class A, class B>
  requires rapidmask::emu::MinMax<A, B>
constexpr std::common_type_t<A, B> min(A a, B b) {
  const std::common_type_t<A, B> x = a, y = b;
  return y != y || x < y ? x : y;
}
template <class A, class B>
  requires rapidmask::emu::MinMax<A, B>
constexpr std::common_type_t<A, B> max(A a, B b) {
  const std::common_type_t<A, B> x = a, y = b;
  return y != y || x > y ? x : y;
}

// --- The part of the runtime library that launchers and bindings use: one device, whose memory is the host's ---

enum cudaError_t : int {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorInvalidDevice = 101,
  cudaErrorLaunchFailure = 719,
};
enum cudaMemcpyKind {
  cudaMemcpyHostToHost,
  cudaMemcpyHostToDevice,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice,
  cudaMemcpyDefault
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaDeviceAttr { cudaDevAttrMultiProcessorCount = 16, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97 };
using cudaStream_t = struct CUstream_st*;
struct CUevent_st {
  cudaStream_t stream;
};
using cudaEvent_t = CUevent_st*;
inline constexpr unsigned cudaEventDisableTiming = 2;

namespace rapidmask::emu {
inline constexpr std::size_t kSharedDefault = 48 << 10;   // bytes of shared memory of a block without opting in
inline constexpr std::size_t kSharedMaximum = 227 << 10;  // as sm_90, unless set_shared_maximum tells otherwise
inline constexpr std::size_t kSharedStatic = 2 << 10;     // what a kernel is taken to have itself: it cannot be seen
cudaError_t record(cudaError_t status);                   // what cudaGetLastError returns next
}  // namespace rapidmask::emu

const char* cudaGetErrorName(cudaError_t status);
const char* cudaGetErrorString(cudaError_t status);
cudaError_t cudaGetLastError();
cudaError_t cudaPeekAtLastError();
cudaError_t cudaMalloc(void** out, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaDeviceGetAttribute(int* out, cudaDeviceAttr attribute, int device);
cudaError_t cudaSetDevice(int device);

template <class T>
cudaError_t cudaMalloc(T** out, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(out), bytes);
}
template <class T>
cudaError_t cudaFuncSetAttribute(T* kernel, cudaFuncAttribute, int value) {
  if (value < 0 || static_cast<std::size_t>(value) + rapidmask::emu::kSharedStatic > rapidmask::emu::shared_maximum())
    return rapidmask::emu::record(cudaErrorInvalidValue);
  rapidmask::emu::allow_dynamic_shared(reinterpret_cast<const void*>(kernel), static_cast<std::size_t>(value));
  return cudaSuccess;
}
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind) {
  if (bytes != 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  const char* const what = kind == cudaMemcpyHostToDevice   ? "to_device"
                           : kind == cudaMemcpyDeviceToHost ? "to_host"
                                                            : "on_device";
  if (const cudaError_t status = rapidmask::emu::note(what, "", stream); status != cudaSuccess) return status;
  return cudaMemcpy(to, from, bytes, kind);
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream = nullptr) {
  if (const cudaError_t status = rapidmask::emu::note("fill", "", stream); status != cudaSuccess) return status;
  if (bytes != 0) std::memset(to, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return rapidmask::emu::note("synchronize", "", stream);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
inline cudaError_t cudaDeviceSynchronize() { return cudaSuccess; }
