// The tables of every instruction level and the choice among them, made when the library is loaded.

#include "isa/levels.hpp"

#include <cstdlib>
#include <stdexcept>

#include "isa/component_rows.hpp"
#include "isa/confusion_rows.hpp"
#include "isa/distance_rows.hpp"
#include "isa/histogram_rows.hpp"
#include "isa/local_rows.hpp"
#include "isa/measure_rows.hpp"
#include "isa/morphology_rows.hpp"
#include "isa/overlap_rows.hpp"
#include "isa/pack_rows.hpp"
#include "isa/panoptic_rows.hpp"
#include "isa/paste_rows.hpp"
#include "isa/polygon_rows.hpp"
#include "isa/prototype_rows.hpp"
#include "isa/resample_rows.hpp"
#include "isa/rle_decode_rows.hpp"
#include "isa/rle_measure_rows.hpp"
#include "isa/rle_rows.hpp"
#include "isa/rle_string_rows.hpp"
#include "isa/semantic_rows.hpp"
#include "isa/threshold_rows.hpp"
#include "isa/value_rows.hpp"

// Which levels there are, RM_WITH_BASELINE, RM_WITH_X86_V3 and RM_WITH_X86_V4, is the build's choice.
namespace rapidmask {

// The tables that every level has.
#define RM_TABLES(X)                  \
  X(ComponentRows, component_rows)    \
  X(ConfusionRows, confusion_rows)    \
  X(DistanceRows, distance_rows)      \
  X(HistogramRows, histogram_rows)    \
  X(LocalRows, local_rows)            \
  X(MeasureRows, measure_rows)        \
  X(MorphologyRows, morphology_rows)  \
  X(OverlapRows, overlap_rows)        \
  X(PackRows, pack_rows)              \
  X(PanopticRows, panoptic_rows)      \
  X(PasteRows, paste_rows)            \
  X(PolygonRows, polygon_rows)        \
  X(PrototypeRows, prototype_rows)    \
  X(ResampleRows, resample_rows)      \
  X(RleDecodeRows, rle_decode_rows)   \
  X(RleMeasureRows, rle_measure_rows) \
  X(RleRows, rle_rows)                \
  X(RleStringRows, rle_string_rows)   \
  X(SemanticRows, semantic_rows)      \
  X(ThresholdRows, threshold_rows)    \
  X(ValueRows, value_rows)

#define RM_TABLE_MEMBER(Table, table) const Table* table;
#define RM_TABLE_DECLARATION(Table, table) extern const Table table;
#define RM_TABLE_ADDRESS(Table, table) &table,
#define RM_LEVEL_TABLES(level)                                  \
  namespace level {                                             \
  RM_TABLES(RM_TABLE_DECLARATION)                               \
  constexpr Level kTables{#level, RM_TABLES(RM_TABLE_ADDRESS)}; \
  }

namespace {
struct Level {
  const char* name;
  RM_TABLES(RM_TABLE_MEMBER)
};
}  // namespace

#if defined(RM_WITH_BASELINE)
RM_LEVEL_TABLES(baseline)
#endif
#if defined(RM_WITH_X86_V3)
RM_LEVEL_TABLES(x86_v3)
#endif
#if defined(RM_WITH_X86_V4)
RM_LEVEL_TABLES(x86_v4)
#endif

namespace {

constexpr Level kLevels[] = {
#if defined(RM_WITH_BASELINE)
    baseline::kTables,
#endif
#if defined(RM_WITH_X86_V3)
    x86_v3::kTables,
#endif
#if defined(RM_WITH_X86_V4)
    x86_v4::kTables,
#endif
};

bool processor_has(const std::string& name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("popcnt");
  if (name == "x86_v3") return v3;
  if (name == "x86_v4") {
    return v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
  }
#endif
  return name == "baseline";
}

const Level* best_level() {
  const Level* best = nullptr;
  for (const Level& level : kLevels) {
    if (processor_has(level.name)) best = &level;
  }
  if (best == nullptr) throw std::runtime_error("rapidmask was built without an instruction level of this processor");
  return best;
}

const Level* find_level(const std::string& name, const char* origin) {
  for (const Level& level : kLevels) {
    if (name == level.name && processor_has(name)) return &level;
  }
  std::string names;
  for (const std::string& available : available_levels()) names += (names.empty() ? "" : ", ") + available;
  throw std::invalid_argument(std::string(origin) + ": instruction level must be one of " + names + ", got '" + name +
                              "'");
}

// The level table: the only mutable state of the library beside its thread pool.
const Level*& current() {
  static const Level* level = [] {
    const char* forced = std::getenv("RAPIDMASK_ISA");
    return forced != nullptr && *forced != '\0' ? find_level(forced, "RAPIDMASK_ISA") : best_level();
  }();
  return level;
}

}  // namespace

std::vector<std::string> available_levels() {
  std::vector<std::string> names;
  for (const Level& level : kLevels) {
    if (processor_has(level.name)) names.emplace_back(level.name);
  }
  return names;
}

std::string current_level() { return current()->name; }
void set_level(const std::string& name) { current() = find_level(name, "set_isa"); }

#define RM_TABLE_ACCESSOR(Table, table) \
  const Table& table() { return *current()->table; }
RM_TABLES(RM_TABLE_ACCESSOR)

}  // namespace rapidmask
