// The row loop of prototypes, compiled once per instruction level (RM_LEVEL).

#include "isa/prototype_rows.hpp"

#include "isa/blocks.hpp"

namespace rapidmask {
namespace {

// As many blocks at once as keep the processor's adders busy.
template <int kBlocks>
void combine_blocks(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
                    float* to) {
  Block sums[kBlocks];
  for (Block& sum : sums) sum = splat_block(0);
  for (std::int64_t k = 0; k < channels; ++k) {
    const Block coefficient = splat_block(coefficients[k]);
    for (int b = 0; b < kBlocks; ++b) {
      const Block product = coefficient * load_block(planes + k * stride + b * kBlock);
      sums[b] = k == 0 ? product : sums[b] + product;
    }
  }
  std::memcpy(to, sums, sizeof sums);
}

void combine(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels, std::int64_t n,
             Activation activation, float* to) {
  std::int64_t x = 0;
  for (; n - x > 2 * kBlock; x += 4 * kBlock) combine_blocks<4>(planes + x, stride, coefficients, channels, to + x);
  if (n - x > kBlock) {
    combine_blocks<2>(planes + x, stride, coefficients, channels, to + x);
  } else if (n > x) {
    combine_blocks<1>(planes + x, stride, coefficients, channels, to + x);
  }
  if (activation == Activation::sigmoid) {
    for (std::int64_t i = 0; i < n; ++i) to[i] = portable_sigmoid(to[i]);
  }
}

}  // namespace

namespace RM_LEVEL {
extern const PrototypeRows prototype_rows;
const PrototypeRows prototype_rows{combine};
}  // namespace RM_LEVEL

}  // namespace rapidmask
