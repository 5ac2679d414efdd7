// What the suppressions of masks on a device share.
#pragma once

#include <cstdint>

#include "rapidmask/overlap_device.hpp"

namespace rapidmask::cuda {

inline constexpr int kTile = 64;  // ranks that are settled at a time

// The masks that compete, in the order of their scores.
struct Rivals {
  const std::int64_t* order;
  const std::int64_t* labels;
  std::int64_t n;

  __device__ bool compete(std::int64_t i, std::int64_t j) const { return labels == nullptr || labels[i] == labels[j]; }
  RM_HOST_DEVICE std::int64_t words() const { return (n + kTile - 1) / kTile; }  // of a row of bits
};

Rivals rank_rivals(const Context& context, const double* scores, const std::int64_t* labels, std::int64_t n);

// Where what is kept goes: to memory that is made when the number is known, or to some that is there.
class Keep {
 public:
  Keep(const MakeKept& make) : make_(&make) {}
  Keep(const KeptMost& most) : most_(&most) {}

  // What is kept of n masks, with scores unless they are null. Memory that is made waits for the number, kept[n].
  void give(const Context& context, const std::int64_t* kept, const double* kept_scores, std::int64_t n) const;
  void give_none(const Context& context) const;

 private:
  const MakeKept* make_ = nullptr;
  const KeptMost* most_ = nullptr;
};

}  // namespace rapidmask::cuda
