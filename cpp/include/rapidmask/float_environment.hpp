// How a thread's floating-point unit rounds.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {

// While it lives, the thread rounds to nearest, keeps denormal numbers and traps nothing, whatever the program or
// another library has set (torch.set_flush_denormal, -ffast-math's start-up code): results depend on neither that nor
// on the thread that finds them.
class FloatEnvironment {
 public:
  FloatEnvironment() : before_(read()) {
    if ((before_ & ~kFlags) != kStandard) write(kStandard | (before_ & kFlags));
  }
  ~FloatEnvironment() {
    if ((before_ & ~kFlags) != kStandard) write(before_);
  }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
#if defined(__x86_64__)
  using Control = unsigned;
  static constexpr Control kStandard = 0x1f80, kFlags = 0x3f;
  static Control read() { return _mm_getcsr(); }
  static void write(Control control) { _mm_setcsr(control); }
#elif defined(__aarch64__)
  using Control = std::uint64_t;
  static constexpr Control kStandard = 0, kFlags = 0;
  static Control read() {
    Control control;
    asm volatile("mrs %0, fpcr" : "=r"(control));
    return control;
  }
  static void write(Control control) { asm volatile("msr fpcr, %0" : : "r"(control)); }
#else
  using Control = unsigned;
  static constexpr Control kStandard = 0, kFlags = 0;
  static Control read() { return 0; }
  static void write(Control) {}
#endif

  Control before_;
};

}  // namespace rapidmask
