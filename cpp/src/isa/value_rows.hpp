// The row loops of labels by value, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

// Bits of a row of w values, integers of `sizeof` the table's index: pixels that are not zero and those of them where a
// run of equal values starts; and where `above` is not null, those that equal the pixel above, and the ones above to
// the left and to the right.
struct ValueBits {
  std::uint64_t* pixels;
  std::uint64_t* starts;
  std::uint64_t* straight;
  std::uint64_t* left;
  std::uint64_t* right;
};
using ReadValues = void (*)(const void* row, const void* above, std::int64_t w, const ValueBits& bits);

struct ValueRows {
  ReadValues read[4];  // of 1, 2, 4 and 8 bytes
};

const ValueRows& value_rows();

}  // namespace rapidmask
