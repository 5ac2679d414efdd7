// What libFuzzer, or the replay of its files, calls: a harness on some bytes.

#include "input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rapidmask::fuzz::Input input(data, size);
  rapidmask::fuzz::set_up(input);
  rapidmask::fuzz::run(input);
  return 0;
}
