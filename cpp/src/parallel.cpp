// The thread pool behind parallel_for.

#include "parallel.hpp"

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "rapidmask/float_environment.hpp"

namespace rapidmask {
namespace {

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int default_num_threads() {
  const char* text = std::getenv("RAPIDMASK_NUM_THREADS");
  if (text != nullptr && *text != '\0') {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*end == '\0' && value >= 1 && value <= kMaxThreads) return static_cast<int>(value);
    throw std::invalid_argument("RAPIDMASK_NUM_THREADS: count must be between 1 and 4096, got '" + std::string(text) +
                                "'");
  }
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// Blocks of one call, taken by whoever comes first.
struct Job {
  std::int64_t count, block;
  detail::BlockFunction function;
  const void* context;
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error;

  void work() {
    for (;;) {
      const std::int64_t begin = next.fetch_add(block, std::memory_order_relaxed);
      if (begin >= count) return;
      try {
        function(context, begin, std::min(count, begin + block));
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    }
  }
};

// Signals are for the threads of the program: one that all of these block must not end the process by way of a worker.
class BlockedSignals {
#if !defined(_WIN32)
 public:
  BlockedSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
#else
 public:
  BlockedSignals() {}
#endif
};

class Pool {
 public:
  bool try_run(Job& job, int helpers) {
    std::unique_lock owner(owner_, std::try_to_lock);
    if (!owner.owns_lock()) return false;
    start_workers(helpers);
    {
      std::lock_guard lock(mutex_);
      job_ = &job;
      wanted_ = std::min<int>(helpers, static_cast<int>(workers_));
      active_.store(wanted_, std::memory_order_relaxed);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleeping_.load() > 0) wake_.notify_all();
    job.work();
    // Workers that have not begun yet need not: all blocks are taken.
    {
      std::lock_guard lock(mutex_);
      active_.fetch_sub(wanted_, std::memory_order_relaxed);
      wanted_ = 0;
    }
    while (active_.load(std::memory_order_acquire) != 0) pause();
    return true;
  }

 private:
  void start_workers(int count) {
    const BlockedSignals blocked;  // which threads inherit
    while (workers_ < static_cast<std::size_t>(count)) {
      try {
        std::thread([this] { serve(); }).detach();
      } catch (const std::exception&) {
        return;  // no more threads, or no memory for them: the calling thread does the rest
      }
      ++workers_;
    }
  }

  void serve() {
    const FloatEnvironment standard;  // whatever that of the thread is that started this one
    std::uint64_t seen = 0;
    for (;;) {
      seen = wait_for_job(seen);
      Job* job = nullptr;
      {
        std::lock_guard lock(mutex_);
        if (wanted_ > 0) {
          --wanted_;
          job = job_;
        }
      }
      if (job == nullptr) continue;
      job->work();
      active_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::uint64_t wait_for_job(std::uint64_t seen) {
    for (int spin = 0; spin < kSpins; ++spin) {
      const std::uint64_t now = generation_.load(std::memory_order_acquire);
      if (now != seen) return now;
      pause();
    }
    std::unique_lock lock(mutex_);
    sleeping_.fetch_add(1);
    wake_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != seen; });
    sleeping_.fetch_sub(1);
    return generation_.load(std::memory_order_relaxed);
  }

  static constexpr int kSpins = 2000;  // about 40 µs

  std::mutex owner_;  // held by the call that has the pool
  std::mutex mutex_;  // guards job_ and wanted_
  std::condition_variable wake_;
  Job* job_ = nullptr;
  int wanted_ = 0;
  std::size_t workers_ = 0;
  std::atomic<int> active_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<std::uint64_t> generation_{0};
};

std::atomic<int> num_threads{0};
std::atomic<Pool*> current_pool{nullptr};

// The pool is never destroyed: its sleeping workers end with the process. A forked child has none of its parent's
// threads and may have copied a locked mutex, so it leaves that pool alone and makes its own.
Pool& pool() {
#if !defined(_WIN32)
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { current_pool.store(nullptr); }); });
#endif
  Pool* existing = current_pool.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  auto* made = new Pool;
  if (current_pool.compare_exchange_strong(existing, made)) return *made;
  delete made;
  return *existing;
}

thread_local bool inside_block = false;

}  // namespace

int get_num_threads() {
  int count = num_threads.load(std::memory_order_relaxed);
  if (count != 0) return count;
  const int found = default_num_threads();
  // What another thread has set meanwhile stays.
  return num_threads.compare_exchange_strong(count, found, std::memory_order_relaxed) ? found : count;
}

void set_num_threads(int count) { num_threads.store(count, std::memory_order_relaxed); }

namespace detail {

void parallel_blocks(std::int64_t count, std::int64_t grain, BlockFunction function, const void* context) {
  const std::int64_t threads =
      inside_block ? 1 : std::min<std::int64_t>(get_num_threads(), (count + grain - 1) / grain);
  if (threads <= 1) return function(context, 0, count);
  // Four blocks a thread even out a thread that was interrupted.
  const std::int64_t block = std::max(grain, (count + 4 * threads - 1) / (4 * threads));
  Job job{count, block, function, context, {}, {}, {}};
  Pool& shared = pool();
  inside_block = true;
  if (!shared.try_run(job, static_cast<int>(threads) - 1)) job.work();
  inside_block = false;
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace detail
}  // namespace rapidmask
