// Run lengths against a literal second implementation, on random and on damaged texts.
//
//   fuzz_rle SECONDS [SEED]
//
// exits with 0 after so many seconds and prints how many texts were tried, with 1 after a difference, which it prints,
// and with a sanitizer's own status when that stopped it. Every buffer has exactly the size that it must have.
//
// It is compiled with the row loops of one instruction level (RM_LEVEL), without the choice among levels.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "isa/pack_rows.hpp"
#include "isa/rle_decode_rows.hpp"
#include "isa/rle_measure_rows.hpp"
#include "isa/rle_rows.hpp"
#include "isa/rle_string_rows.hpp"
#include "rapidmask/rle.hpp"

namespace rapidmask {

#define RM_ONLY_TABLE(Table, table) \
  namespace RM_LEVEL {              \
  extern const Table table;         \
  }                                 \
  const Table& table() { return RM_LEVEL::table; }
RM_ONLY_TABLE(PackRows, pack_rows)
RM_ONLY_TABLE(RleDecodeRows, rle_decode_rows)
RM_ONLY_TABLE(RleMeasureRows, rle_measure_rows)
RM_ONLY_TABLE(RleRows, rle_rows)
RM_ONLY_TABLE(RleStringRows, rle_string_rows)

namespace {

using Counts = std::vector<std::uint32_t>;

std::mt19937_64 random_bits;

std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(random_bits() % static_cast<std::uint64_t>(n)); }

// --- The second implementation ---

std::optional<Counts> read_literally(const std::string& text) {
  std::vector<long long> counts;
  for (std::size_t at = 0; at < text.size();) {
    long long x = 0;
    for (int group_number = 0;; ++group_number) {
      if (at == text.size() || group_number == 8) return std::nullopt;
      const int group = static_cast<unsigned char>(text[at++]) - 48;
      if (group < 0 || group > 63) return std::nullopt;
      x += static_cast<long long>(group % 32) << (5 * group_number);
      if (group >= 32) continue;
      if (group >= 16) x -= 1ll << (5 * group_number + 5);
      break;
    }
    if (counts.size() > 2) x += counts[counts.size() - 2];
    if (x < 0 || x > 0xffffffffll) return std::nullopt;
    counts.push_back(x);
  }
  return Counts(counts.begin(), counts.end());
}

std::string write_literally(const Counts& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    long long x = counts[i];
    if (i > 2) x -= counts[i - 2];
    for (bool more = true; more;) {
      long long group = ((x % 32) + 32) % 32;
      x = (x - group) / 32;
      more = group >= 16 ? x != -1 : x != 0;
      text.push_back(static_cast<char>(48 + group + (more ? 32 : 0)));
    }
  }
  return text;
}

std::vector<std::uint8_t> paint(const Counts& counts, std::int64_t h, std::int64_t w) {
  std::vector<std::uint8_t> mask(static_cast<std::size_t>(h * w));
  std::int64_t position = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    for (std::uint32_t k = 0; k < counts[i]; ++k, ++position) {
      mask[static_cast<std::size_t>(position % h * w + position / h)] = i % 2 == 1;
    }
  }
  return mask;
}

// --- Texts ---

std::uint32_t any_count() {
  const auto bits = static_cast<int>(below(33));
  return bits == 0 ? 0 : static_cast<std::uint32_t>(random_bits() >> (64 - bits));
}

Counts any_counts() {
  Counts counts(static_cast<std::size_t>(below(below(8) == 0 ? 200 : 12)));
  const bool small = below(2) == 0;
  for (auto& count : counts) count = small ? static_cast<std::uint32_t>(below(90) * below(3)) : any_count();
  return counts;
}

std::string any_text() {
  std::string text;
  const std::int64_t kind = below(4);
  if (kind == 0) {  // of characters, or of bytes
    const bool characters = below(3) != 0;
    text.resize(static_cast<std::size_t>(below(40)));
    for (char& c : text) c = static_cast<char>(characters ? 48 + below(64) : below(256));
    return text;
  }
  text = write_literally(any_counts());
  for (std::int64_t damage = kind == 1 ? below(4) : 0; damage > 0 && !text.empty(); --damage) {
    const auto at = static_cast<std::size_t>(below(static_cast<std::int64_t>(text.size())));
    switch (below(5)) {
      case 0: text[at] = static_cast<char>(text[at] ^ 1 << below(8)); break;
      case 1: text[at] = static_cast<char>(48 + below(64)); break;
      case 2: text.erase(at, 1); break;
      case 3: text.insert(at, 1, static_cast<char>(48 + below(64))); break;
      default: text.resize(at);
    }
  }
  return text;
}

// --- Comparisons ---

struct Difference {
  std::string what;
};

void expect(bool equal, const char* what) {
  if (!equal) throw Difference{what};
}

// A copy in memory of exactly its size, past which a sanitizer sees every access.
template <class T>
std::unique_ptr<T[]> exactly(const T* values, std::size_t count) {
  auto copy = std::make_unique_for_overwrite<T[]>(count);
  std::copy_n(values, count, copy.get());
  return copy;
}

std::optional<Counts> read(const std::string& text) {
  const auto characters = exactly(text.data(), text.size());
  const auto counts = std::make_unique_for_overwrite<std::uint32_t[]>(text.size());
  try {
    const std::int64_t count = rle_from_string("fuzz", {characters.get(), text.size()}, counts.get());
    return Counts(counts.get(), counts.get() + count);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

std::string write(const Counts& counts) {
  const auto given = exactly(counts.data(), counts.size());
  const auto size = static_cast<std::int64_t>(counts.size());
  const auto text = std::make_unique_for_overwrite<char[]>(static_cast<std::size_t>(kRunCharacters * size + kRunSlack));
  return {text.get(), static_cast<std::size_t>(rle_to_string(given.get(), size, text.get()))};
}

Counts found(const FoundRuns& runs) {
  Counts counts(static_cast<std::size_t>(runs.offsets().back()));
  runs.write(counts.data());
  return counts;
}

void compare_masks(const Counts& given, std::int64_t h, std::int64_t w) {
  const auto counts = exactly(given.data(), given.size());
  const std::int64_t offsets[2]{0, static_cast<std::int64_t>(given.size())};
  const ConstRunLengths runs{counts.get(), offsets, 1, h, w};
  check_run_lengths("fuzz", runs, offsets[1]);
  const Counts canonical = found(cpu::rle_canonical({}, runs));
  const std::vector<std::uint8_t> mask = paint(given, h, w);
  expect(paint(canonical, h, w) == mask, "the mask of canonical runs");
  const auto size = static_cast<std::size_t>(h * w);
  const auto pixels = exactly(mask.data(), size);
  const StridedMasks rows{{pixels.get()}, h, w, false, w};
  expect(found(cpu::rle_encode({}, rows)) == canonical, "encoded rows");
  auto transposed = std::make_unique_for_overwrite<std::uint8_t[]>(size);
  for (std::int64_t i = 0; i < h * w; ++i)
    transposed[static_cast<std::size_t>(i)] = mask[static_cast<std::size_t>(i % h * w + i / h)];
  const StridedMasks columns{{transposed.get()}, h, w, true, h};
  expect(found(cpu::rle_encode({}, columns)) == canonical, "encoded columns");

  const std::int64_t x0 = below(w + 1), y0 = below(h + 1);
  for (const Crop& crop : {Crop{0, 0, w, h}, Crop{x0, y0, x0 + below(w - x0 + 1), y0 + below(h - y0 + 1)}}) {
    const auto decoded = std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(crop.h() * crop.w()));
    const bool is_zero = below(2) == 0;
    if (!is_zero) std::memset(decoded.get(), 0xa5, static_cast<std::size_t>(crop.h() * crop.w()));
    cpu::rle_decode({}, runs, crop, decoded.get(), is_zero);
    for (std::int64_t y = 0; y < crop.h(); ++y) {
      expect(crop.w() == 0 || std::memcmp(decoded.get() + y * crop.w(), mask.data() + (crop.y0 + y) * w + crop.x0,
                                          static_cast<std::size_t>(crop.w())) == 0,
             "decoded pixels");
    }
  }
  std::int64_t area, wanted[4]{w, h, 0, 0}, box[4];
  const std::int64_t ends[2]{0, static_cast<std::int64_t>(canonical.size())};
  const auto clean = exactly(canonical.data(), canonical.size());
  const ConstRunLengths clean_runs{clean.get(), ends, 1, h, w};
  cpu::rle_areas({}, clean_runs, &area);
  cpu::rle_boxes({}, clean_runs, box);
  expect(area == std::count(mask.begin(), mask.end(), 1), "area");
  for (std::int64_t i = 0; i < h * w; ++i) {
    if (mask[static_cast<std::size_t>(i)] == 0) continue;
    wanted[0] = std::min(wanted[0], i % w);
    wanted[1] = std::min(wanted[1], i / w);
    wanted[2] = std::max(wanted[2], i % w + 1);
    wanted[3] = std::max(wanted[3], i / w + 1);
  }
  if (area == 0) wanted[0] = wanted[1] = 0;
  expect(std::equal(box, box + 4, wanted), "box");
}

void compare(const std::string& text) {
  const auto wanted = read_literally(text);
  const auto counts = read(text);
  expect(counts == wanted, "counts");
  if (!counts.has_value()) return;
  const std::string again = write(*counts);
  expect(again == write_literally(*counts), "text");
  expect(read(again) == counts, "counts read again");

  Counts runs = *counts;
  for (auto& count : runs) count %= 3000;
  std::int64_t sum = 0;
  for (const auto count : runs) sum += count;
  if (sum > 20000) return;
  const std::int64_t h = 1 + below(below(2) == 0 ? 9 : 200), w = (sum + h - 1) / h + below(2);
  if (h * w > sum || runs.empty()) runs.push_back(static_cast<std::uint32_t>(h * w - sum));
  compare_masks(runs, h, w);
}

}  // namespace
}  // namespace rapidmask

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  rapidmask::random_bits.seed(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1);
  const auto start = std::chrono::steady_clock::now();
  long long executions = 0;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds) {
    const std::string text = rapidmask::any_text();
    try {
      rapidmask::compare(text);
    } catch (const rapidmask::Difference& difference) {
      std::printf("%s differ, for the text of", difference.what.c_str());
      for (const char c : text) std::printf(" %02x", static_cast<unsigned char>(c));
      std::printf("\n");
      return 1;
    }
    ++executions;
  }
  std::printf("%lld executions\n", executions);
  return 0;
}
