// Connected components on a device.

#include "rapidmask/components.hpp"

#include "rapidmask/errors.hpp"

namespace rapidmask::cuda {
namespace {
[[noreturn]] void not_there(const char* function) {
  throw NotImplemented(std::string(function) + ": is not there on a device");
}
}  // namespace

void label(const Context&, const Masks&, int, std::int32_t*, std::int64_t*) { not_there("label"); }
void label_values(const Context&, const Image&, std::int64_t, int, std::int32_t*, std::int64_t*) { not_there("label"); }
void connected_components(const Context&, const Masks&, int, std::int32_t*, std::int64_t*, const MakeComponentTable&) {
  not_there("connected_components");
}
void component_areas(const Context&, const Masks&, int, std::int32_t*) { not_there("component_areas"); }
void remove_small_objects(const Context&, const Masks&, std::int64_t, int, const MutableMasks&) {
  not_there("remove_small_objects");
}
void remove_small_holes(const Context&, const Masks&, std::int64_t, int, bool, const MutableMasks&) {
  not_there("remove_small_holes");
}
void fill_holes(const Context&, const Masks&, int, const MutableMasks&) { not_there("fill_holes"); }
void keep_largest(const Context&, const Masks&, std::int64_t, int, const MutableMasks&) { not_there("keep_largest"); }
void clear_border(const Context&, const Masks&, int, const MutableMasks&) { not_there("clear_border"); }
void hysteresis(const Context&, const Masks&, const Masks&, int, const MutableMasks&) {
  not_there("hysteresis_threshold");
}
void clean_scores(const Context&, const Image&, const ScoreCleaning&, int, void*) { not_there("clean_scores"); }
}  // namespace rapidmask::cuda
