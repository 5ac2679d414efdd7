// A fiber: a stack of its own and the switch between stacks, known to the address and thread sanitizers.
//
// The switch saves the callee-saved registers of the x86-64 System V ABI, without the floating point control words,
// which kernels leave alone. Other processors take swapcontext, which is ten times slower: it saves the signal mask, by
// a system call each time.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <new>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#elif defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// The scheduler's own memory is shared by fibers that the thread sanitizer takes for threads: it must not look at it.
#define RM_EMU_RAW __attribute__((no_sanitize("thread")))

#if defined(__x86_64__) && !defined(RM_EMU_UCONTEXT)
#define RM_EMU_ASSEMBLY
extern "C" void rm_emu_switch(void** save, void* load) noexcept;  // pushes, swaps stack pointers, pops, returns
#else
#include <ucontext.h>
#endif

namespace rapidmask::emu {

// Orders of memory, named by an address, for the thread sanitizer: what was done before a release is seen after an
// acquire.
RM_EMU_RAW inline void release([[maybe_unused]] void* order) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(order);
#endif
}
RM_EMU_RAW inline void acquire([[maybe_unused]] void* order) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(order);
#endif
}

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() { destroy(); }

  bool created() const { return memory_ != nullptr; }

  // Makes this the fiber that the calling host thread is running on.
  void adopt() {
#if defined(__SANITIZE_THREAD__)
    thread_ = __tsan_get_current_fiber();
#endif
  }

  // Allocates a stack; `entry` runs at the first switch to it, calls arrive() first, and never returns.
  void create(void (*entry)()) {
    void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    mprotect(memory, kGuard, PROT_NONE);  // an overflow faults instead of reaching a neighbour
    memory_ = static_cast<char*>(memory);
    bottom_ = memory_ + kGuard;
    bytes_ = kBytes - kGuard;
#ifdef RM_EMU_ASSEMBLY
    void** frame = reinterpret_cast<void**>(memory_ + kBytes) - 8;  // six registers, the entry, a null caller
    std::fill(frame, frame + 8, nullptr);
    frame[6] = reinterpret_cast<void*>(entry);
    stack_pointer_ = frame;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = memory_ + kGuard;
    context_.uc_stack.ss_size = bytes_;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
#endif
#if defined(__SANITIZE_THREAD__)
    thread_ = __tsan_create_fiber(0);
#endif
  }

  // Drops the stack with whatever stands on it; destructors of its frames do not run.
  void destroy() {
    if (memory_ == nullptr) return;
#if defined(__SANITIZE_THREAD__)
    void* self = __tsan_get_current_fiber();  // there and back: what the fiber did comes before what follows here
    __tsan_switch_to_fiber(thread_, __tsan_switch_to_fiber_no_sync);
    __tsan_switch_to_fiber(self, 0);
    __tsan_destroy_fiber(thread_);
#elif defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(bottom_, bytes_);
    fake_stack_ = nullptr;
#endif
    munmap(memory_, kBytes);
    memory_ = nullptr;
  }

  // Leaves this fiber, which must be the running one, for `to`; returns when something switches back.
  RM_EMU_RAW void switch_to(Fiber& to) {
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.thread_, __tsan_switch_to_fiber_no_sync);
#elif defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack_, to.bottom_, to.bytes_);
#endif
#ifdef RM_EMU_ASSEMBLY
    rm_emu_switch(&stack_pointer_, to.stack_pointer_);
#else
    swapcontext(&context_, &to.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
  }

  // The first thing on a new fiber; `from` is the one that switched to it.
  void arrive([[maybe_unused]] Fiber& from) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack_, &from.bottom_, &from.bytes_);
#endif
  }

 private:
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kBytes = 256 << 10;
#else
  static constexpr std::size_t kBytes = 64 << 10;
#endif
  static constexpr std::size_t kGuard = 4096;

  char* memory_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t bytes_ = 0;
#ifdef RM_EMU_ASSEMBLY
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
#if defined(__SANITIZE_THREAD__)
  void* thread_ = nullptr;
#elif defined(__SANITIZE_ADDRESS__)
  void* fake_stack_ = nullptr;
#endif
};

}  // namespace rapidmask::emu
