// What functions that make masks of something else give back: masks of a form, and statistics of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "array.hpp"
#include "rapidmask/upsample.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {

using Extents = std::array<std::int64_t, 2>;  // height and width

// Positions are float32, which tells pixels apart up to here.
inline constexpr std::int64_t kMaxDecodedExtent = 1 << 24;

inline void check_extents(const char* function, const char* argument, const Extents& extents, std::int64_t least) {
  for (const std::int64_t extent : extents) {
    if (extent < least || extent > kMaxDecodedExtent) {
      throw std::invalid_argument(std::string(function) + ": " + argument + " must be two integers from " +
                                  std::to_string(least) + " to 2^24, got (" + std::to_string(extents[0]) + ", " +
                                  std::to_string(extents[1]) + ")");
    }
  }
}

inline void check_logits(const char* function, const char* argument, DType dtype) {
  if (dtype != DType::float32 && dtype != DType::float16 && dtype != DType::bfloat16) {
    throw TypeError(std::string(function) + ": " + argument + " must be float32, float16 or bfloat16, got " +
                    dtype_name(dtype));
  }
}

// What is foreground. The offset is that of the stability score.
inline Foreground foreground_of(const char* function, double threshold, std::string_view op,
                                std::optional<double> offset) {
  const double reach = offset.value_or(0);
  if (threshold != threshold || reach != reach) {
    throw std::invalid_argument(std::string(function) + ": threshold and offset must not be NaN");
  }
  return {static_cast<float>(threshold), static_cast<float>(threshold + reach), static_cast<float>(threshold - reach),
          op == ">"};
}

// Statistics of masks of some leading dimensions, where they are asked for.
class StatisticsResult {
 public:
  StatisticsResult(const Array& like, const Shape& batch, bool wanted) {
    if (!wanted) return;
    Shape corners = batch;
    corners.push_back(4);
    areas_ = like.empty(DType::int64, batch);
    boxes_ = like.empty(DType::int64, corners);
    stability_ = like.empty(DType::float32, batch);
  }

  MaskStatistics view() const {
    if (!areas_) return {};
    return {static_cast<std::int64_t*>(areas_->data()), static_cast<std::int64_t*>(boxes_->data()),
            static_cast<float*>(stability_->data())};
  }
  // The masks, areas, boxes and stability scores; of these None where they are not asked for.
  py::tuple with(const py::object& masks) const {
    const auto given = [](const std::optional<Array>& array) {
      return array ? array->result() : py::object(py::none());
    };
    return py::make_tuple(masks, given(areas_), given(boxes_), given(stability_));
  }

 private:
  std::optional<Array> areas_, boxes_, stability_;
};

// A new array, or what the caller gave as out=, for masks of some leading dimensions. Where most pixels may be left
// alone, `sparse`, a new one in host memory is zero already: the system gives that memory when it is first touched.
struct DecodedMasks {
  bool is_zero = false;
  Array array;
  MaskOutput view{};

  DecodedMasks(const py::object& out, const Array& like, const Shape& batch, const Extents& size,
               std::string_view output, const char* function, bool sparse = false)
      : array(make(out, like, batch, size, output, function, sparse)) {
    if (output == "packed") {
      view.packed = static_cast<std::uint64_t*>(array.data());
    } else {
      view.dense = static_cast<std::uint8_t*>(array.data());
    }
  }

 private:
  Array make(const py::object& out, const Array& like, const Shape& batch, const Extents& size, std::string_view output,
             const char* function, [[maybe_unused]] bool sparse) {
    const bool packed = output == "packed";
    const DType dtype = output == "bool" ? DType::boolean : DType::uint8;
    Shape shape = packed ? Shape{batch.size()} : batch;
    shape.push_back(size[0]);
    shape.push_back(packed ? 8 * ((size[1] + 63) / 64) : size[1]);
#if defined(RM_BACKEND_CPU)
    if (sparse && out.is_none() && like.has_zeros()) {
      is_zero = true;
      return like.zeros(dtype, shape);
    }
#endif
    if (packed) return packed_output(out, like, {nullptr, dtype, batch.size(), size[0], size[1]}, function);
    return output_array(out, like, dtype, shape, function);
  }
};

}  // namespace rapidmask::python
