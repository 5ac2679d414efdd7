// Packing and unpacking on the CPU: bands of rows to the row loops of the current instruction level.

#include "rapidmask/pack.hpp"

#include <algorithm>

#include "isa/pack_rows.hpp"
#include "parallel.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kGrainBytes = 1 << 20;  // about 50 µs of work at 20 GB/s

std::int64_t rows_per_grain(std::int64_t w) {
  return std::max<std::int64_t>(1, kGrainBytes / std::max<std::int64_t>(1, w));
}

}  // namespace

void pack(const Context&, const View<const std::uint8_t>& masks, const PackedMasks& packed) {
  const auto pack_band = pack_rows().pack;
  parallel_for(masks.n * masks.h, rows_per_grain(masks.w), [&](std::int64_t begin, std::int64_t end) {
    pack_band(masks.data + begin * masks.w, end - begin, masks.w, packed.data + begin * packed.words());
  });
}

void unpack(const Context&, const ConstPackedMasks& packed, std::uint8_t* masks) {
  const auto unpack_band = pack_rows().unpack;
  parallel_for(packed.n * packed.h, rows_per_grain(packed.w), [&](std::int64_t begin, std::int64_t end) {
    unpack_band(packed.data + begin * packed.words(), end - begin, packed.w, masks + begin * packed.w);
  });
}

}  // namespace rapidmask::cpu
