// Comparison of the values of two rows, compiled once per instruction level (RM_LEVEL).

#include "isa/value_rows.hpp"

#include "isa/bits.hpp"

namespace rapidmask {
namespace {

// Bits of test(x) for the w pixels of a row, 64 at a time by way of bytes, which the compiler vectorises.
template <class Test>
void write_bits(std::int64_t w, std::uint64_t* bits, const Test& test) {
  std::uint8_t bytes[64];
  std::int64_t x = 0;
  for (; x + 64 <= w; x += 64) {
    for (std::int64_t i = 0; i < 64; ++i) bytes[i] = test(x + i);
    *bits++ = pack64(bytes);
  }
  if (x == w) return;
  for (std::int64_t i = 0; i < w - x; ++i) bytes[i] = test(x + i);
  *bits = pack_tail(bytes, w - x);
}

template <class T>
void read(const void* row, const void* above, std::int64_t w, const ValueBits& bits) {
  const T* values = static_cast<const T*>(row);
  const T* upper = static_cast<const T*>(above);
  if (w == 0) return;
  write_bits(w, bits.pixels, [&](std::int64_t x) { return values[x] != 0; });
  write_bits(w - 1, bits.starts, [&](std::int64_t x) { return values[x] != values[x + 1]; });
  // Those were ends: a pixel starts a run where the one before ends one.
  std::uint64_t carry = 1;
  for (std::int64_t j = 0; 64 * j < w; ++j) {
    const std::uint64_t ends = 64 * j < w - 1 ? bits.starts[j] : 0;
    bits.starts[j] = (ends << 1 | carry) & bits.pixels[j];
    carry = ends >> 63;
  }
  if (upper == nullptr) return;
  write_bits(w, bits.straight, [&](std::int64_t x) { return (values[x] == upper[x]) & (values[x] != 0); });
  if (bits.left == nullptr) return;
  write_bits(w - 1, bits.right, [&](std::int64_t x) { return (values[x] == upper[x + 1]) & (values[x] != 0); });
  if (w % 64 == 1) bits.right[w / 64] = 0;
  write_bits(w - 1, bits.left, [&](std::int64_t x) { return (values[x + 1] == upper[x]) & (upper[x] != 0); });
  carry = 0;
  for (std::int64_t j = 0; 64 * j < w; ++j) {
    const std::uint64_t before = 64 * j < w - 1 ? bits.left[j] : 0;
    bits.left[j] = before << 1 | carry;
    carry = before >> 63;
  }
}

}  // namespace

namespace RM_LEVEL {
extern const ValueRows value_rows;
const ValueRows value_rows{{read<std::uint8_t>, read<std::uint16_t>, read<std::uint32_t>, read<std::uint64_t>}};
}  // namespace RM_LEVEL

}  // namespace rapidmask
