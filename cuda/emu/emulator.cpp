// The scheduler of the emulator: workers (host threads) that take blocks, and on each worker one fiber per CUDA thread.
//
// A block is a queue of fibers that can run. A fiber leaves the queue when it waits at a barrier or a warp collective,
// and the last thread to arrive puts the others back. An empty queue with threads left is a deadlock, and the report is
// the list of where they wait. Everything a block needs belongs to its worker, so scheduling takes no lock.
#include "emulator.hpp"

#include <pthread.h>

#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fiber.hpp"
#include "rapidmask/errors.hpp"

#ifdef RM_EMU_ASSEMBLY
asm(R"(
.text
.globl rm_emu_switch
.hidden rm_emu_switch
.type rm_emu_switch, @function
rm_emu_switch:
  push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp
  ret
.size rm_emu_switch, . - rm_emu_switch
)");
#endif

constinit thread_local uint3 threadIdx{}, blockIdx{};
constinit thread_local dim3 blockDim{}, gridDim{};

namespace rapidmask::emu {
namespace {

constexpr unsigned kMaxThreads = 1024, kMaxWarps = kMaxThreads / 32;
constexpr std::size_t kGuardBytes = 256;  // before and after dynamic shared memory
constexpr unsigned char kGuard = 0xfd;
constexpr unsigned char kPoison = 0xa5;  // what scratch holds, and dynamic shared memory at the start of a block
constexpr std::uint64_t kUndefined = 0xa5a5a5a5a5a5a5a5u;  // what a shuffle reads from a lane outside of its mask
constexpr unsigned kYieldEvery = 64;            // atomics and relaxed loads of a thread, so that spinning ends
constexpr std::uint64_t kSpinLimit = 1u << 26;  // turns without a barrier passed or a thread done: some seconds

const char* const kWaitNames[] = {// in the order of Wait
                                  "nothing",           "__syncthreads",     "__syncwarp",        "__ballot_sync",
                                  "__shfl_sync",       "__match_any_sync",  "__reduce_add_sync", "__reduce_min_sync",
                                  "__reduce_min_sync", "__reduce_max_sync", "__reduce_max_sync", "__reduce_and_sync",
                                  "__reduce_or_sync"};

struct Thread {  // a CUDA thread
  Fiber fiber;
  uint3 index{};
  unsigned rank = 0;  // within the block, x fastest
  bool exited = false;
  unsigned steps = 0, syncwarps = 0;
  Wait wait = Wait::none;  // this and the rest: what it waits for and brought there
  unsigned mask = 0;
  std::uint64_t value = 0, result = 0;
  int source_lane = 0;
  Site at;
};

struct Launch {
  const char* name;
  dim3 grid, block;
  std::size_t shared_bytes;
  const std::function<void()>& body;
  std::uint64_t seed;
  std::uint64_t blocks;
  std::atomic<std::uint64_t> next_block{0};
  std::atomic<bool> failed{false};
  std::mutex mutex{};
  std::string error{};
};

RM_EMU_RAW std::uint64_t hash(std::uint64_t x) {  // the finaliser of SplitMix64
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

template <class Triple>
std::string triple(const Triple& t) {
  return "(" + std::to_string(t.x) + "," + std::to_string(t.y) + "," + std::to_string(t.z) + ")";
}

RM_EMU_RAW bool same_place(const Site& a, const Site& b) { return a.line() == b.line() && a.column() == b.column(); }

class Worker {
 public:
  void run(Launch& launch);

  // From a fiber:
  int barrier(bool predicate, Site at);
  std::uint64_t meet(Wait what, unsigned mask, std::uint64_t value, int source_lane, Site at);
  void step();
  [[noreturn]] void fail(std::string message);  // ends the block
  int lane() const { return static_cast<int>(current_->rank % 32); }
  void* shared() { return shared_; }

 private:
  static void thread_main();
  void run_block(std::uint64_t block);
  void enter(Thread& thread);  // from the scheduler
  void leave();                // to the scheduler
  RM_EMU_RAW void stop() { stopped_ = true; }
  void push(Thread& thread);
  Thread& pop();
  bool complete(unsigned warp, unsigned mask);
  std::string deadlock() const;
  void check_guards();

  Launch* launch_ = nullptr;
  Fiber scheduler_;
  Thread* current_ = nullptr;
  std::array<Thread, kMaxThreads> thread_;
  unsigned threads_ = 0, live_ = 0;
  char* shared_ = nullptr;
  std::uint64_t block_ = 0, turns_ = 0, turns_at_progress_ = 0;
  bool stopped_ = false;  // by the error in this block
  std::string error_;

  unsigned queue_[kMaxThreads];  // a ring of the ranks that can run
  unsigned head_ = 0, queued_ = 0;

  unsigned arrived_ = 0, barriers_ = 0;
  int predicates_ = 0, counted_ = 0;
  unsigned waiting_[kMaxWarps];  // the lanes in a collective

  // Orders of memory. Barriers alternate between two, so that a thread that leaves late does not also acquire what the
  // others did since.
  char started_, finished_, at_barrier_[2], at_syncwarp_[kMaxWarps][2];
};

constinit thread_local Worker* worker = nullptr;

RM_EMU_RAW void Worker::thread_main() {
  Worker& self = *worker;
  self.current_->fiber.arrive(self.scheduler_);
  for (;;) {
    acquire(&self.started_);
    try {
      self.launch_->body();
    } catch (const std::exception& e) {
      self.fail(std::string("exception in a kernel: ") + e.what());
    }
    release(&self.finished_);
    self.current_->exited = true;
    --self.live_;
    self.turns_at_progress_ = self.turns_;
    self.leave();  // until the thread of this rank in the next block starts
  }
}

void Worker::run(Launch& launch) {
  launch_ = &launch;
  threads_ = launch.block.x * launch.block.y * launch.block.z;
  blockDim = launch.block;
  gridDim = launch.grid;
  scheduler_.adopt();
  const std::size_t bytes = launch.shared_bytes;
  const std::unique_ptr<char[]> memory(new char[bytes + 2 * kGuardBytes]);  // new aligns to 16 bytes
  shared_ = memory.get() + kGuardBytes;
  std::memset(shared_ - kGuardBytes, kGuard, kGuardBytes);
  std::memset(shared_ + bytes, kGuard, kGuardBytes);
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(shared_ - kGuardBytes, kGuardBytes);
  __asan_poison_memory_region(shared_ + bytes, kGuardBytes);
#endif
  while (!launch.failed.load(std::memory_order_relaxed)) {
    const std::uint64_t block = launch.next_block.fetch_add(1, std::memory_order_relaxed);
    if (block >= launch.blocks) break;
    run_block(block);
    if (!error_.empty()) {
      const std::lock_guard lock(launch.mutex);
      if (!launch.failed.exchange(true)) launch.error = error_ + "\n  in block " + triple(blockIdx);
      error_.clear();
    }
    if (live_ == 0) continue;
    for (Thread& thread : thread_) thread.fiber.destroy();  // they stand in a failed block, or one that waits for it
  }
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(shared_ - kGuardBytes, bytes + 2 * kGuardBytes);
#endif
}

RM_EMU_RAW void Worker::run_block(std::uint64_t block) {
  const dim3& grid = launch_->grid;
  blockIdx.x = static_cast<unsigned>(block % grid.x);
  blockIdx.y = static_cast<unsigned>(block / grid.x % grid.y);
  blockIdx.z = static_cast<unsigned>(block / grid.x / grid.y);
  block_ = block;
  live_ = threads_;
  stopped_ = false;
  arrived_ = 0;
  predicates_ = 0;
  head_ = queued_ = 0;
  turns_ = turns_at_progress_ = 0;
  for (unsigned& lanes : waiting_) lanes = 0;
  for (unsigned rank = 0; rank < threads_; ++rank) {
    Thread& thread = thread_[rank];
    if (!thread.fiber.created()) thread.fiber.create(thread_main);
    thread.index = {rank % blockDim.x, rank / blockDim.x % blockDim.y, rank / blockDim.x / blockDim.y};
    thread.rank = rank;
    thread.exited = false;
    thread.steps = thread.syncwarps = 0;
    thread.wait = Wait::none;
    push(thread);
  }
  std::memset(shared_, kPoison, launch_->shared_bytes);
  release(&started_);
  while (queued_ != 0 && !stopped_ && !launch_->failed.load(std::memory_order_relaxed)) {
    enter(pop());
    if (++turns_ - turns_at_progress_ > kSpinLimit) {
      error_ = "threads spin on something that never comes";
      stopped_ = true;
    }
  }
  acquire(&finished_);
  if (stopped_) return;
  if (queued_ == 0 && live_ != 0) error_ = deadlock();
  if (live_ == 0) check_guards();
}

RM_EMU_RAW void Worker::enter(Thread& thread) {
  current_ = &thread;
  threadIdx = thread.index;
  scheduler_.switch_to(thread.fiber);
}

RM_EMU_RAW void Worker::leave() { current_->fiber.switch_to(scheduler_); }

RM_EMU_RAW void Worker::push(Thread& thread) { queue_[(head_ + queued_++) % kMaxThreads] = thread.rank; }

RM_EMU_RAW Thread& Worker::pop() {
  unsigned& first = queue_[head_ % kMaxThreads];
  if (launch_->seed != 0) {
    unsigned& other = queue_[(head_ + hash(launch_->seed ^ hash(block_ ^ turns_ << 32)) % queued_) % kMaxThreads];
    const unsigned rank = other;
    other = first;
    first = rank;
  }
  Thread& thread = thread_[first];
  ++head_;
  --queued_;
  return thread;
}

// A quarter of all steps lose the processor when there is a seed: enough to break most pairs of steps in some thread.
RM_EMU_RAW void Worker::step() {
  Thread& thread = *current_;
  const std::uint64_t seed = launch_->seed;
  const bool spun = ++thread.steps % kYieldEvery == 0;
  if (!spun && (seed == 0 || hash(seed ^ hash(block_ << 10 ^ thread.rank) ^ thread.steps) % 4 != 0)) return;
  push(thread);
  leave();
}

RM_EMU_RAW int Worker::barrier(bool predicate, Site at) {
  Thread& thread = *current_;
  void* order = &at_barrier_[barriers_ % 2];
  release(order);
  thread.wait = Wait::barrier;
  thread.at = at;
  predicates_ += predicate;
  bool together = ++arrived_ == threads_;
  if (together) {
    for (unsigned rank = 0; rank < threads_; ++rank) together &= same_place(thread_[rank].at, at);
  }
  if (together) {
    counted_ = predicates_;
    predicates_ = 0;
    arrived_ = 0;
    ++barriers_;
    turns_at_progress_ = turns_;
    for (unsigned rank = 0; rank < threads_; ++rank) {
      thread_[rank].wait = Wait::none;
      push(thread_[rank]);
    }
  }
  leave();
  acquire(order);
  return counted_;  // the next barrier cannot complete before this thread has returned and come back
}

RM_EMU_RAW std::uint64_t Worker::meet(Wait what, unsigned mask, std::uint64_t value, int source_lane, Site at) {
  Thread& thread = *current_;
  const unsigned warp = thread.rank / 32;
  if ((mask >> thread.rank % 32 & 1) == 0) fail("a warp collective whose mask leaves out the calling thread itself");
  thread.wait = what;
  thread.mask = mask;
  thread.value = value;
  thread.source_lane = source_lane;
  thread.at = at;
  waiting_[warp] |= 1u << thread.rank % 32;
  void* order = &at_syncwarp_[warp][thread.syncwarps % 2];
  if (what == Wait::syncwarp) {
    ++thread.syncwarps;
    release(order);
  }
  if ((waiting_[warp] & mask) != mask || !complete(warp, mask)) leave();
  if (what == Wait::syncwarp) acquire(order);
  return thread.result;
}

// Ends the collective of the current thread if all lanes of the mask are in that same one, and lets them run.
RM_EMU_RAW bool Worker::complete(unsigned warp, unsigned mask) {
  const Thread& self = *current_;
  Thread* lanes = &thread_[warp * 32];
  std::uint64_t folded = self.value;
  if (self.wait == Wait::ballot || self.wait == Wait::add) folded = 0;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const Thread& other = lanes[lane];
    if (other.wait != self.wait || other.mask != mask || !same_place(other.at, self.at)) return false;
    const std::uint64_t value = other.value;
    switch (self.wait) {
      case Wait::ballot: folded |= value << lane; break;
      case Wait::add: folded += value; break;
      case Wait::min_u: folded = value < folded ? value : folded; break;
      case Wait::max_u: folded = value > folded ? value : folded; break;
      case Wait::min_s: folded = static_cast<int>(value) < static_cast<int>(folded) ? value : folded; break;
      case Wait::max_s: folded = static_cast<int>(value) > static_cast<int>(folded) ? value : folded; break;
      case Wait::bit_and: folded &= value; break;
      case Wait::bit_or: folded |= value; break;
      default: break;
    }
  }
  const Wait what = self.wait;
  for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
    Thread& lane = lanes[__builtin_ctz(rest)];
    if (what == Wait::shuffle) {
      lane.result = mask >> lane.source_lane & 1 ? lanes[lane.source_lane].value : kUndefined;
    } else if (what == Wait::match) {
      lane.result = 0;
      for (unsigned m = mask; m != 0; m &= m - 1) {
        const int other = __builtin_ctz(m);
        lane.result |= static_cast<std::uint64_t>(lanes[other].value == lane.value) << other;
      }
    } else {
      lane.result = folded;
    }
    lane.wait = Wait::none;
    if (&lane != current_) push(lane);
  }
  waiting_[warp] &= ~mask;
  return true;
}

void Worker::fail(std::string message) {
  error_ = std::move(message);
  release(&finished_);
  stop();
  for (;;) leave();  // never resumed
}

// Where every thread of the block is, those at one place in one line.
RM_EMU_RAW std::string Worker::deadlock() const {
  std::string text = "deadlock: threads wait for others that never come";
  for (unsigned rank = 0; rank < threads_; ++rank) {
    const Thread& thread = thread_[rank];
    const auto alike = [&](const Thread& other) {
      if (thread.exited || other.exited) return thread.exited && other.exited;
      return other.wait == thread.wait && same_place(other.at, thread.at) &&
             (thread.wait == Wait::barrier || other.mask == thread.mask);
    };
    unsigned count = 0;
    bool first = true;
    for (unsigned other = 0; other < threads_; ++other) {
      if (!alike(thread_[other])) continue;
      first &= other >= rank;
      ++count;
    }
    if (!first) continue;
    text += "\n  " + std::to_string(count) + (count == 1 ? " thread, " : " threads, from ") + "thread " +
            triple(thread.index) + (count == 1 ? "" : " on");
    if (thread.exited) {
      text += ": returned from the kernel";
      continue;
    }
    text += std::string(": in ") + kWaitNames[static_cast<int>(thread.wait)];
    if (thread.wait != Wait::barrier) {
      char mask[32];
      std::snprintf(mask, sizeof mask, " with mask 0x%08x", thread.mask);
      text += mask;
    }
    text += std::string(" at ") + thread.at.file_name() + ":" + std::to_string(thread.at.line()) + " (" +
            thread.at.function_name() + ")";
  }
  if (threads_ % 32 != 0)
    text += "\n  the last warp of this block has " + std::to_string(threads_ % 32) + " lanes only";
  return text;
}

void Worker::check_guards() {
#if !defined(__SANITIZE_ADDRESS__)  // which sees the very access
  const std::size_t bytes = launch_->shared_bytes;
  const auto touched = [](char& byte) {
    return static_cast<unsigned char>(std::exchange(byte, char(kGuard))) != kGuard;
  };
  for (std::size_t i = kGuardBytes; i-- > 0;) {  // inwards: the nearest write is the one reported
    if (touched(shared_[-1 - static_cast<std::ptrdiff_t>(i)]))
      error_ = "a write at byte -" + std::to_string(i + 1) + " of dynamic shared memory";
    if (touched(shared_[bytes + i]))
      error_ = "a write at byte " + std::to_string(bytes + i) + " of " + std::to_string(bytes) +
               " bytes of dynamic shared memory";
  }
#endif
}

class Pool {
 public:
  explicit Pool(int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }

  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    start_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void run(Launch& launch) {
    std::unique_lock lock(mutex_);
    launch_ = &launch;
    busy_ = threads_.size();
    ++generation_;
    start_.notify_all();
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void work() {
    const auto own = std::make_unique<Worker>();
    worker = own.get();
    std::unique_lock lock(mutex_);
    for (std::uint64_t seen = 0;;) {
      start_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
      Launch& launch = *launch_;
      lock.unlock();
      own->run(launch);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  std::mutex mutex_;
  std::condition_variable start_, done_;
  Launch* launch_ = nullptr;
  std::uint64_t generation_ = 0;
  std::size_t busy_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

// One launch at a time. The pool is never destroyed at exit, where its threads may outlive what they use.
struct Device {
  std::mutex mutex;
  Pool* pool = nullptr;
  int workers = 2;
  std::uint64_t seed = 0;
  std::size_t shared_maximum = kSharedMaximum;
  std::unordered_map<const void*, std::size_t> shared_limit;
  std::set<std::string> launched;
  bool recording = false;
  std::string failing;
  std::vector<Activity> activity;

  // A fork happens between launches; the child has none of the workers and starts its own.
  Device() {
    pthread_atfork([] { device().mutex.lock(); }, [] { device().mutex.unlock(); },
                   [] {
                     device().pool = nullptr;
                     device().mutex.unlock();
                   });
  }

  static Device& device() {
    static Device* const only = new Device;
    return *only;
  }
};

thread_local cudaError_t last_error = cudaSuccess;

}  // namespace

void set_workers(int count) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.workers = std::max(count, 1);
  delete device.pool;
  device.pool = nullptr;
}

void set_seed(std::uint64_t seed) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.seed = seed;
}

void set_shared_maximum(std::size_t bytes) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.shared_maximum = bytes;
}

std::size_t shared_maximum() {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  return device.shared_maximum;
}

std::vector<std::string> launched_kernels() {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  return {device.launched.begin(), device.launched.end()};
}

void record_activity(bool on) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.recording = on;
  if (on) device.activity.clear();
}

std::vector<Activity> activity() {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  return device.activity;
}

void set_failing(const std::string& what) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.failing = what;
}

cudaError_t note(const char* what, const std::string& detail, const void* stream) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  if (device.recording) device.activity.push_back({what, detail, reinterpret_cast<std::uintptr_t>(stream)});
  return record(device.failing == what ? cudaErrorLaunchFailure : cudaSuccess);
}

void close_scratch(void* scratch, std::size_t bytes, [[maybe_unused]] void* allocation,
                   [[maybe_unused]] std::size_t allocated) {
  std::memset(scratch, kPoison, bytes);
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(allocation, allocated);
  __asan_unpoison_memory_region(scratch, bytes);
#endif
}

void open_scratch([[maybe_unused]] void* allocation, [[maybe_unused]] std::size_t allocated) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(allocation, allocated);
#endif
}

const char* sanitizer() {
#if defined(__SANITIZE_ADDRESS__)
  return "address";
#elif defined(__SANITIZE_THREAD__)
  return "thread";
#else
  return "";
#endif
}

void allow_dynamic_shared(const void* kernel, std::size_t bytes) {
  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  device.shared_limit[kernel] = bytes;
}

void launch(const void* kernel, const char* name, dim3 grid, dim3 block, std::size_t shared_bytes,
            const std::function<void()>& body) {
  const auto refuse = [&](cudaError_t status, const std::string& why) {
    throw CudaError(std::string(name) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) +
                    "): " + why);
  };
  if (worker != nullptr) refuse(cudaErrorInvalidConfiguration, "a launch from within a kernel");
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (block.x > kMaxThreads || block.y > kMaxThreads || block.z > 64 || threads > kMaxThreads || threads == 0)
    refuse(cudaErrorInvalidConfiguration, "block " + triple(block) + ", at most 1024 threads, 64 in z");
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
    refuse(cudaErrorInvalidConfiguration, "grid " + triple(grid) + ", at most (2147483647,65535,65535)");

  Device& device = Device::device();
  const std::lock_guard lock(device.mutex);
  const auto allowed = device.shared_limit.find(kernel);
  const std::size_t limit = allowed == device.shared_limit.end() ? kSharedDefault - kSharedStatic : allowed->second;
  if (shared_bytes > limit)
    refuse(cudaErrorInvalidValue, std::to_string(shared_bytes) + " bytes of dynamic shared memory, " +
                                      std::to_string(limit) + " allowed for this kernel");
  device.launched.insert(name);
  if (device.pool == nullptr) device.pool = new Pool(device.workers);
  Launch work{name, grid, block, shared_bytes, body, device.seed, std::uint64_t{grid.x} * grid.y * grid.z};
  device.pool->run(work);
  if (work.failed) refuse(cudaErrorLaunchFailure, work.error);
}

int barrier(bool predicate, Site at) { return worker->barrier(predicate, at); }
std::uint64_t meet(Wait what, unsigned mask, std::uint64_t value, int source_lane, Site at) {
  return worker->meet(what, mask, value, source_lane, at);
}
void step() {
  if (worker != nullptr) worker->step();  // else host code that shares a function with the device
}
int lane() { return worker->lane(); }
void* dynamic_shared() { return worker->shared(); }
void trap(Site at) {
  worker->fail(std::string("__trap at ") + at.file_name() + ":" + std::to_string(at.line()) + " in thread " +
               triple(threadIdx));
}

void fence() {
#if defined(__SANITIZE_THREAD__)  // which does not model fences: one order for all of them, a little too strong
  static char order;
  __tsan_acquire(&order);
  __tsan_release(&order);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

cudaError_t record(cudaError_t status) {
  if (status != cudaSuccess) last_error = status;
  return status;
}

}  // namespace rapidmask::emu

using rapidmask::emu::record;

namespace {

struct ErrorText {
  const char *name, *text;
};

ErrorText describe(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return {"cudaSuccess", "no error"};
    case cudaErrorInvalidValue: return {"cudaErrorInvalidValue", "invalid argument"};
    case cudaErrorMemoryAllocation: return {"cudaErrorMemoryAllocation", "out of memory"};
    case cudaErrorInvalidConfiguration: return {"cudaErrorInvalidConfiguration", "invalid configuration argument"};
    case cudaErrorInvalidDevice: return {"cudaErrorInvalidDevice", "invalid device ordinal"};
    case cudaErrorLaunchFailure: return {"cudaErrorLaunchFailure", "unspecified launch failure"};
  }
  return {"cudaErrorUnknown", "unrecognized error code"};
}

}  // namespace

const char* cudaGetErrorName(cudaError_t status) { return describe(status).name; }
const char* cudaGetErrorString(cudaError_t status) { return describe(status).text; }
cudaError_t cudaPeekAtLastError() { return rapidmask::emu::last_error; }
cudaError_t cudaGetLastError() { return std::exchange(rapidmask::emu::last_error, cudaSuccess); }

cudaError_t cudaMalloc(void** out, std::size_t bytes) {
  *out = nullptr;  // exactly sized, for the address sanitizer; aligned as on the device
  return record(bytes == 0 || posix_memalign(out, 256, bytes) == 0 ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned) {
  *out = new CUevent_st{};
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = stream;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return rapidmask::emu::note("wait", std::to_string(reinterpret_cast<std::uintptr_t>(event->stream)), stream);
}
cudaError_t cudaSetDevice(int device) { return record(device == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaDeviceGetAttribute(int* out, cudaDeviceAttr attribute, int device) {
  if (device != 0) return record(cudaErrorInvalidDevice);
  *out = attribute == cudaDevAttrMultiProcessorCount ? 4 : static_cast<int>(rapidmask::emu::shared_maximum());
  return cudaSuccess;
}
