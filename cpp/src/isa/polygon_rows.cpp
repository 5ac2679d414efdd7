// The runs of packed rows, compiled once per instruction level (RM_LEVEL).

#include "isa/polygon_rows.hpp"

#include "isa/words.hpp"

namespace rapidmask {
namespace {

static_assert(kSidesSlack >= kBusySlack);

std::int64_t list_runs(const std::uint64_t* words, std::int64_t end, std::int64_t stride, std::int32_t* edges,
                       BorderRun* runs, std::int32_t* counts) {
  // Pixels that differ from the one before: by turns the first of a run and the first after it.
  const auto edges_of = [&]<int kCount>(WordsOf<kCount>, std::int64_t i) -> WordsOf<kCount> {
    return {load_words<kCount>(words + i).v ^ from_left<kCount>(words + i).v};
  };
  std::int32_t* edge = edges;
  for_busy_words(0, end, edges_of, [&](std::int64_t i) {
    const auto at = static_cast<std::int32_t>(64 * i);
    std::uint64_t bits = edges_of(WordsOf<1>{}, i).v;
    do {
      *edge++ = at + __builtin_ctzll(bits);
      bits = without_lowest(bits);
    } while (bits != 0);
  });
  // Rows by multiplication: exact, as word numbers times the stride stay below 2^64.
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t reciprocal = ~std::uint64_t{0} / static_cast<std::uint64_t>(stride) + 1;
  const std::int64_t count = (edge - edges) / 2;
  for (std::int64_t r = 0; r < count; ++r) {
    const std::int32_t first = edges[2 * r], after = edges[2 * r + 1];
    const auto row = static_cast<std::int64_t>(static_cast<Wide>(first / 64) * reciprocal >> 64);
    const auto row_begin = static_cast<std::int32_t>(64 * stride * row);
    ++counts[row];
    runs[r] = {{first - row_begin, after - row_begin - 1}, {-1, -1}};
  }
  return count;
}

}  // namespace

namespace RM_LEVEL {
extern const PolygonRows polygon_rows;
const PolygonRows polygon_rows{list_runs};
}  // namespace RM_LEVEL

}  // namespace rapidmask
