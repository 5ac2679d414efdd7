// The two rows of one kind that row loops wanted last.
#pragma once

#include <cstdint>

namespace rapidmask {

struct RowPair {
  float* rows[2];
  std::int64_t numbers[2];  // negative where there is none yet
};

}  // namespace rapidmask
