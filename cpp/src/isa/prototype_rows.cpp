// The row loops of prototypes, compiled once per instruction level (RM_LEVEL).

#include "isa/prototype_rows.hpp"

#include "isa/blocks.hpp"
#include "isa/sigmoid_lanes.hpp"

namespace rapidmask {
namespace {

template <int kRows, int kBlocks>
void combine_blocks(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
                    float* to, std::int64_t to_stride) {
  Block sums[kRows][kBlocks];
  const auto product = [&](std::int64_t k, int y, int b) {
    return splat_block(coefficients[k]) * load_block(planes + (y * channels + k) * stride + b * kBlock);
  };
  for (int y = 0; y < kRows; ++y) {
    for (int b = 0; b < kBlocks; ++b) sums[y][b] = product(0, y, b);
  }
  for (std::int64_t k = 1; k < channels; ++k) {
    for (int y = 0; y < kRows; ++y) {
      for (int b = 0; b < kBlocks; ++b) sums[y][b] = sums[y][b] + product(k, y, b);
    }
  }
  for (int y = 0; y < kRows; ++y) std::memcpy(to + y * to_stride, sums[y], sizeof sums[y]);
}

template <int kRows>
void combine_rows(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
                  std::int64_t n, float* to, std::int64_t to_stride) {
  std::int64_t x = 0;
  for (; n - x > 3 * kBlock; x += 4 * kBlock) {
    combine_blocks<kRows, 4>(planes + x, stride, coefficients, channels, to + x, to_stride);
  }
  if (n - x > 2 * kBlock) {
    combine_blocks<kRows, 3>(planes + x, stride, coefficients, channels, to + x, to_stride);
  } else if (n - x > kBlock) {
    combine_blocks<kRows, 2>(planes + x, stride, coefficients, channels, to + x, to_stride);
  } else if (n > x) {
    combine_blocks<kRows, 1>(planes + x, stride, coefficients, channels, to + x, to_stride);
  }
}

void combine(const float* planes, std::int64_t stride, const float* coefficients, std::int64_t channels,
             std::int64_t rows, std::int64_t n, float* to, std::int64_t to_stride) {
  if (rows == 4) return combine_rows<4>(planes, stride, coefficients, channels, n, to, to_stride);
  if (rows == 3) return combine_rows<3>(planes, stride, coefficients, channels, n, to, to_stride);
  if (rows == 2) return combine_rows<2>(planes, stride, coefficients, channels, n, to, to_stride);
  combine_rows<1>(planes, stride, coefficients, channels, n, to, to_stride);
}

void sigmoid(float* values, std::int64_t n) { activate_values(values, n, values); }

}  // namespace

namespace RM_LEVEL {
extern const PrototypeRows prototype_rows;
const PrototypeRows prototype_rows{combine, sigmoid};
}  // namespace RM_LEVEL

}  // namespace rapidmask
