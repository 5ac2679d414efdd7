// The tables of every instruction level and the choice among them, made when the library is loaded.

#include "isa/levels.hpp"

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "isa/distance_rows.hpp"
#include "isa/histogram_rows.hpp"
#include "isa/local_rows.hpp"
#include "isa/pack_rows.hpp"
#include "isa/threshold_rows.hpp"

namespace rapidmask {

#define RM_DECLARE_LEVEL(level)              \
  namespace level {                          \
  extern const DistanceRows distance_rows;   \
  extern const HistogramRows histogram_rows; \
  extern const LocalRows local_rows;         \
  extern const PackRows pack_rows;           \
  extern const ThresholdRows threshold_rows; \
  }
#define RM_LEVEL_ENTRY(level)                                                                     \
  Level {                                                                                         \
    #level, &level::distance_rows, &level::histogram_rows, &level::local_rows, &level::pack_rows, \
        &level::threshold_rows                                                                    \
  }

RM_DECLARE_LEVEL(baseline)
#if defined(__x86_64__)
RM_DECLARE_LEVEL(x86_v3)
RM_DECLARE_LEVEL(x86_v4)
#endif

namespace {

struct Level {
  const char* name;
  const DistanceRows* distance;
  const HistogramRows* histogram;
  const LocalRows* local;
  const PackRows* pack;
  const ThresholdRows* threshold;
};

constexpr std::array kLevels{
    RM_LEVEL_ENTRY(baseline),
#if defined(__x86_64__)
    RM_LEVEL_ENTRY(x86_v3),
    RM_LEVEL_ENTRY(x86_v4),
#endif
};

bool processor_has(const std::string& name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                  __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt");
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
  const Level* best = &kLevels.front();
  for (const Level& level : kLevels) {
    if (processor_has(level.name)) best = &level;
  }
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

const DistanceRows& distance_rows() { return *current()->distance; }
const HistogramRows& histogram_rows() { return *current()->histogram; }
const LocalRows& local_rows() { return *current()->local; }
const PackRows& pack_rows() { return *current()->pack; }
const ThresholdRows& threshold_rows() { return *current()->threshold; }

}  // namespace rapidmask
