// The table of distance transforms, compiled once per instruction level (RM_LEVEL).

#include "isa/distance_rows.hpp"

#include "isa/distance_planes.hpp"
#include "isa/distance_strips.hpp"

namespace rapidmask {
namespace RM_LEVEL {
extern const DistanceRows distance_rows;
const DistanceRows distance_rows{
    {count_below<std::int16_t>, count_above<std::int16_t>, transform_band<NarrowPlane>, transform_strip<NarrowLines>},
    {count_below<double>, count_above<double>, transform_band<WidePlane>, transform_strip<WideLines>}};
}  // namespace RM_LEVEL
}  // namespace rapidmask
