// A block of float32 numbers, as many as the level's vectors hold, and the few operations that interpolation needs.
//
// Only for sources that are compiled once per level: everything is in an anonymous namespace.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rapidmask {
namespace {

#if defined(__AVX512BW__)

inline constexpr int kBlock = 16;
struct Block {
  __m512 v;
};
struct Indices {
  __m512i v;
};

inline Block load_block(const float* from) { return {_mm512_loadu_ps(from)}; }
inline Indices load_indices(const std::int32_t* from) { return {_mm512_loadu_si512(from)}; }
inline Block splat_block(float x) { return {_mm512_set1_ps(x)}; }
// With masks of all lanes: GCC 12 takes the plain forms for uses of an uninitialised vector.
inline Block at(Block window, Indices indices) { return {_mm512_maskz_permutexvar_ps(0xffff, indices.v, window.v)}; }
inline Block gather(const float* from, Indices indices) {
  return {_mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, indices.v, from, 4)};
}
inline Block operator*(Block a, Block b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Block operator+(Block a, Block b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Block operator-(Block a, Block b) { return {_mm512_sub_ps(a.v, b.v)}; }
// `bilinear_mix`, whose first weight is 1 where the second is 0; `mixed` are the lanes of those where it is not.
using Lanes = __mmask16;
inline Lanes nonzero_lanes(Block x) { return _mm512_cmp_ps_mask(x.v, _mm512_setzero_ps(), _CMP_NEQ_OQ); }
inline Block mix(Block first, Block second, Block first_weight, Block second_weight, Lanes mixed) {
  const __m512 product = _mm512_mul_ps(first_weight.v, first.v);
  return {_mm512_mask_add_ps(product, mixed, product, _mm512_mul_ps(second_weight.v, second.v))};
}
template <bool kStrict>
inline std::uint32_t above(Block x, Block limit) {
  return _mm512_cmp_ps_mask(x.v, limit.v, kStrict ? _CMP_GT_OQ : _CMP_GE_OQ);
}

#elif defined(__AVX2__)

inline constexpr int kBlock = 8;
struct Block {
  __m256 v;
};
struct Indices {
  __m256i v;
};

inline Block load_block(const float* from) { return {_mm256_loadu_ps(from)}; }
inline Indices load_indices(const std::int32_t* from) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))};
}
inline Block splat_block(float x) { return {_mm256_set1_ps(x)}; }
inline Block at(Block window, Indices indices) { return {_mm256_permutevar8x32_ps(window.v, indices.v)}; }
inline Block gather(const float* from, Indices indices) { return {_mm256_i32gather_ps(from, indices.v, 4)}; }
inline Block operator*(Block a, Block b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Block operator+(Block a, Block b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Block operator-(Block a, Block b) { return {_mm256_sub_ps(a.v, b.v)}; }
using Lanes = __m256;
inline Lanes nonzero_lanes(Block x) { return _mm256_cmp_ps(x.v, _mm256_setzero_ps(), _CMP_NEQ_OQ); }
inline Block mix(Block first, Block second, Block first_weight, Block second_weight, Lanes mixed) {
  const __m256 product = _mm256_mul_ps(first_weight.v, first.v);
  const __m256 sum = _mm256_add_ps(product, _mm256_mul_ps(second_weight.v, second.v));
  return {_mm256_blendv_ps(product, sum, mixed)};
}
template <bool kStrict>
inline std::uint32_t above(Block x, Block limit) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(x.v, limit.v, kStrict ? _CMP_GT_OQ : _CMP_GE_OQ)));
}

#else

inline constexpr int kBlock = 8;
struct Block {
  float v[kBlock];
};
struct Indices {
  const std::int32_t* v;
};

inline Block load_block(const float* from) {
  Block block;
  std::memcpy(block.v, from, sizeof block.v);
  return block;
}
inline Indices load_indices(const std::int32_t* from) { return {from}; }
inline Block splat_block(float x) {
  Block block;
  for (float& value : block.v) value = x;
  return block;
}
inline Block gather(const float* from, Indices indices) {
  Block block;
  for (int i = 0; i < kBlock; ++i) block.v[i] = from[indices.v[i]];
  return block;
}
inline Block at(const Block& window, Indices indices) { return gather(window.v, indices); }
inline Block operator*(const Block& a, const Block& b) {
  Block block;
  for (int i = 0; i < kBlock; ++i) block.v[i] = a.v[i] * b.v[i];
  return block;
}
inline Block operator+(const Block& a, const Block& b) {
  Block block;
  for (int i = 0; i < kBlock; ++i) block.v[i] = a.v[i] + b.v[i];
  return block;
}
inline Block operator-(const Block& a, const Block& b) {
  Block block;
  for (int i = 0; i < kBlock; ++i) block.v[i] = a.v[i] - b.v[i];
  return block;
}
using Lanes = Block;
inline Lanes nonzero_lanes(const Block& x) { return x; }
inline Block mix(const Block& first, const Block& second, const Block& first_weight, const Block& second_weight,
                 const Lanes& mixed) {
  Block block;
  for (int i = 0; i < kBlock; ++i) {
    const float product = first_weight.v[i] * first.v[i];
    const float sum = product + second_weight.v[i] * second.v[i];
    block.v[i] = mixed.v[i] == 0 ? product : sum;
  }
  return block;
}
template <bool kStrict>
inline std::uint32_t above(const Block& x, const Block& limit) {
#if defined(__SSE2__)
  std::uint32_t bits = 0;
  for (int i = 0; i < kBlock; i += 4) {
    const __m128 a = _mm_loadu_ps(x.v + i), b = _mm_loadu_ps(limit.v + i);
    bits |= static_cast<std::uint32_t>(_mm_movemask_ps(kStrict ? _mm_cmpgt_ps(a, b) : _mm_cmpge_ps(a, b))) << i;
  }
  return bits;
#else
  std::uint32_t bits = 0;
  for (int i = 0; i < kBlock; ++i) bits |= std::uint32_t{kStrict ? x.v[i] > limit.v[i] : x.v[i] >= limit.v[i]} << i;
  return bits;
#endif
}

#endif

inline constexpr std::uint32_t kAllOfBlock = (1u << kBlock) - 1;

inline Block mix(Block first, Block second, Block first_weight, Block second_weight) {
  return mix(first, second, first_weight, second_weight, nonzero_lanes(second_weight));
}

inline void store_block(float* to, const Block& x) { std::memcpy(to, &x.v, sizeof x.v); }

// The greater of values and a limit; the limit for NaN.
inline Block no_less(Block x, Block limit) {
#if defined(__AVX512BW__)
  return {_mm512_maskz_max_ps(0xffff, x.v, limit.v)};
#elif defined(__AVX2__)
  return {_mm256_max_ps(x.v, limit.v)};
#else
  for (int i = 0; i < kBlock; ++i) x.v[i] = x.v[i] > limit.v[i] ? x.v[i] : limit.v[i];
  return x;
#endif
}

// Not above, or not ordered.
inline std::uint32_t not_above(Block x, Block limit) { return ~above<true>(x, limit) & kAllOfBlock; }

}  // namespace
}  // namespace rapidmask
