// One bit per pixel: between dense masks and packed ones.
//
// A packed row of w pixels is ceil(w / 64) words of 64 bits. Pixel x is bit x % 64 of word x / 64, so that on a
// little-endian machine the bytes are those of numpy.packbits(mask, axis=-1, bitorder="little"), padded to 8 bytes. The
// bits past w are zero: every function here writes them so and relies on it.
//
// Any non-zero byte is foreground. A dense result holds 0 and 1.
#pragma once

#include "rapidmask/context.hpp"
#include "rapidmask/types.hpp"

namespace rapidmask {

namespace cpu {
void pack(const Context&, const View<const std::uint8_t>& masks, const PackedMasks& packed);
void unpack(const Context&, const ConstPackedMasks& packed, std::uint8_t* masks);
}  // namespace cpu

namespace cuda {
void pack(const Context&, const View<const std::uint8_t>& masks, const PackedMasks& packed);
void unpack(const Context&, const ConstPackedMasks& packed, std::uint8_t* masks);
}  // namespace cuda

}  // namespace rapidmask
