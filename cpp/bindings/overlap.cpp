// Bindings of the overlap family. `width` is None for dense masks, the width of a row for packed ones. Scores are
// float64, labels int64.

#include "rapidmask/overlap.hpp"

#include <optional>

#include "array.hpp"
#include "module.hpp"
#include "rapidmask/overlap_device.hpp"
#include "run_lengths.hpp"

namespace rapidmask::python {
namespace {

using Width = std::optional<std::int64_t>;

OverlapMetric metric_named(const char* function, std::string_view name) {
  if (name == "iou") return OverlapMetric::iou;
  if (name == "ios") return OverlapMetric::ios;
  if (name == "iof") return OverlapMetric::iof;
  throw std::invalid_argument(std::string(function) + ": metric must be 'iou', 'ios' or 'iof', got '" +
                              std::string(name) + "'");
}

Decay decay_named(const char* function, const char* argument, std::string_view name) {
  if (name == "gaussian") return Decay::gaussian;
  if (name == "linear") return Decay::linear;
  throw std::invalid_argument(std::string(function) + ": " + argument + " must be 'gaussian' or 'linear', got '" +
                              std::string(name) + "'");
}

// One value for each of n masks, or none.
class PerMask {
 public:
  PerMask(py::handle values, DType dtype, std::int64_t n, const Array& masks, const char* function,
          const char* argument) {
    if (values.is_none()) return;
    array_ = Array(values, function, argument).contiguous(item_size(dtype));
    array_->check_same_device(masks, function, argument);
    const bool fits = array_->dtype() == dtype || (dtype == DType::uint8 && array_->dtype() == DType::boolean);
    if (!fits) {
      throw TypeError(std::string(function) + ": " + argument + " must be " +
                      (dtype == DType::uint8 ? "bool" : dtype_name(dtype)) + ", got " + dtype_name(array_->dtype()));
    }
    if (array_->shape() != Shape{n}) {
      throw std::invalid_argument(std::string(function) + ": " + argument + " must have one value for each of " +
                                  std::to_string(n) + " masks, got shape " + array_->shape().text());
    }
  }
  template <class T>
  const T* values() const {
    return array_ ? static_cast<const T*>(array_->data()) : nullptr;
  }

 private:
  std::optional<Array> array_;
};

// The scores and labels of n masks.
struct Ranking {
  PerMask scores, labels;

  Ranking(py::handle given_scores, py::handle given_labels, std::int64_t n, const Array& masks, const char* function)
      : scores(given_scores, DType::float64, n, masks, function, "scores"),
        labels(given_labels, DType::int64, n, masks, function, "labels") {}
  const double* score_values() const { return scores.values<double>(); }
  const std::int64_t* label_values() const { return labels.values<std::int64_t>(); }
};

// How many of what is kept are to be given at most, where not all are.
using Most = std::optional<std::int64_t>;

// What is kept, in arrays like that of the masks: of the exact size or, on a device, of a size that is given.
class Kept {
 public:
  Kept(const Array& like, bool with_scores, [[maybe_unused]] const Most& most = std::nullopt)
      : like_(like), with_scores_(with_scores) {
#if !defined(RM_BACKEND_CPU)
    if (!most) return;
    count_ = like.empty(DType::int64, {1});
    most_ = {allocate(*most), *most, static_cast<std::int64_t*>(count_->data())};
#endif
  }

  // Calls suppress(where what is kept goes).
  template <class Suppress>
  void fill(const Suppress& suppress) {
#if !defined(RM_BACKEND_CPU)
    if (count_) return suppress(most_);
#endif
    const MakeKept make = [this](std::int64_t count) {
      const py::gil_scoped_acquire locked;  // which the call has released
      return allocate(count);
    };
    suppress(make);
  }
  py::object indices() const { return indices_->result(); }
  // The indices, scores where there are any, and the number of all that is kept where a limit was given.
  py::object result() const {
    py::list parts;
    parts.append(indices());
    if (scores_) parts.append(scores_->result());
    if (count_) parts.append(count_->result());
    return parts.size() == 1 ? py::object(parts[0]) : py::object(py::tuple(parts));
  }

 private:
  KeptMasks allocate(std::int64_t count) {
    indices_ = like_.empty(DType::int64, {count});
    if (with_scores_) scores_ = like_.empty(DType::float64, {count});
    return {static_cast<std::int64_t*>(indices_->data()), scores_ ? static_cast<double*>(scores_->data()) : nullptr};
  }

  const Array& like_;
  bool with_scores_;
  std::optional<Array> indices_, scores_, count_;
#if !defined(RM_BACKEND_CPU)
  cuda::KeptMost most_{};
#endif
};

void check_sizes(std::int64_t h, std::int64_t w, std::int64_t other_h, std::int64_t other_w) {
  if (h == other_h && w == other_w) return;
  const auto size = [](std::int64_t y, std::int64_t x) {
    return "(" + std::to_string(y) + ", " + std::to_string(x) + ")";
  };
  throw std::invalid_argument("mask_iou: masks of a and b must have one size (H, W), got " + size(h, w) + " and " +
                              size(other_h, other_w));
}

py::object mask_iou(py::handle a, const Width& width_a, py::handle b, const Width& width_b, std::string_view metric,
                    py::handle iscrowd) {
  const OverlapMetric chosen = metric_named("mask_iou", metric);
  const MasksArgument first(a, width_a, false, "mask_iou", "a");
  std::optional<MasksArgument> second;
  if (!b.is_none()) {
    second.emplace(b, width_b, false, "mask_iou", "b");
    second->array().check_same_device(first.array(), "mask_iou", "b");
    check_sizes(first.view().h, first.view().w, second->view().h, second->view().w);
  }
  const Masks* other = second ? &second->view() : nullptr;
  const std::int64_t m = second ? other->n : first.view().n;
  const PerMask crowds(iscrowd, DType::uint8, m, first.array(), "mask_iou", "iscrowd");
  const Array overlaps = first.array().empty(DType::float64, {first.view().n, m});
  {
    const Call call(first.array());
    backend::mask_iou(call.context(), first.view(), other, chosen, crowds.values<std::uint8_t>(),
                      static_cast<double*>(overlaps.data()));
  }
  return overlaps.result();
}

py::object mask_nms(py::handle masks, const Width& width, py::handle scores, py::handle labels, double threshold,
                    std::string_view metric, const Most& most) {
  const OverlapMetric chosen = metric_named("mask_nms", metric);
  const MasksArgument given(masks, width, false, "mask_nms", "masks");
  const Ranking ranking(scores, labels, given.view().n, given.array(), "mask_nms");
  Kept kept(given.array(), false, most);
  {
    const Call call(given.array());
    kept.fill([&](const auto& target) {
      backend::mask_nms(call.context(), given.view(), ranking.score_values(), ranking.label_values(), threshold, chosen,
                        target);
    });
  }
  return kept.result();
}

py::object nms_from_iou(py::handle iou, py::handle scores, py::handle labels, double threshold, const Most& most) {
  const Array given = Array(iou, "nms_from_iou", "iou").contiguous(8);
  const Shape& shape = given.shape();
  if (shape.rank() != 2 || shape[0] != shape[1]) {
    throw std::invalid_argument("nms_from_iou: iou must have shape (N, N), got shape " + shape.text());
  }
  if (!is_floating(given.dtype())) {
    throw TypeError(std::string("nms_from_iou: iou must be of a floating type, got ") + dtype_name(given.dtype()));
  }
  const Ranking ranking(scores, labels, shape[0], given, "nms_from_iou");
  Kept kept(given, false, most);
  {
    const Call call(given);
    kept.fill([&](const auto& target) {
      backend::nms_from_iou(call.context(), {given.data(), given.dtype(), 1, shape[0], shape[1]},
                            ranking.score_values(), ranking.label_values(), round_to(given.dtype(), threshold), target);
    });
  }
  return kept.result();
}

py::object soft_nms(py::handle masks, const Width& width, py::handle scores, py::handle labels, std::string_view method,
                    double sigma, double overlap_threshold, double score_threshold, std::string_view metric,
                    const Most& most) {
  const SoftSuppression soft{decay_named("soft_nms", "method", method), sigma, overlap_threshold, score_threshold,
                             metric_named("soft_nms", metric)};
  const MasksArgument given(masks, width, false, "soft_nms", "masks");
  const Ranking ranking(scores, labels, given.view().n, given.array(), "soft_nms");
  Kept kept(given.array(), true, most);
  {
    const Call call(given.array());
    kept.fill([&](const auto& target) {
      backend::soft_nms(call.context(), given.view(), ranking.score_values(), ranking.label_values(), soft, target);
    });
  }
  return kept.result();
}

py::object matrix_nms(py::handle masks, const Width& width, py::handle scores, py::handle labels,
                      std::string_view kernel, double sigma) {
  const Decay chosen = decay_named("matrix_nms", "kernel", kernel);
  const MasksArgument given(masks, width, false, "matrix_nms", "masks");
  const Ranking ranking(scores, labels, given.view().n, given.array(), "matrix_nms");
  const Array decayed = given.array().empty(DType::float64, {given.view().n});
  {
    const Call call(given.array());
    backend::matrix_nms(call.context(), given.view(), ranking.score_values(), ranking.label_values(), chosen, sigma,
                        static_cast<double*>(decayed.data()));
  }
  return decayed.result();
}

// The members of all groups, and where each group begins among them.
py::tuple mask_nmm(py::handle masks, const Width& width, py::handle scores, py::handle labels, double threshold,
                   std::string_view metric) {
  const OverlapMetric chosen = metric_named("mask_nmm", metric);
  const MasksArgument given(masks, width, false, "mask_nmm", "masks");
  const Ranking ranking(scores, labels, given.view().n, given.array(), "mask_nmm");
  const Array members = given.array().empty(DType::int64, {given.view().n});
  std::optional<Array> offsets;
  const auto make_groups = [&](std::int64_t groups) -> MaskGroups {
    const py::gil_scoped_acquire locked;  // which the call has released
    offsets = given.array().empty(DType::int64, {groups + 1});
    return {static_cast<std::int64_t*>(members.data()), static_cast<std::int64_t*>(offsets->data())};
  };
  {
    const Call call(given.array());
    backend::mask_nmm(call.context(), given.view(), ranking.score_values(), ranking.label_values(), threshold, chosen,
                      make_groups);
  }
  return py::make_tuple(members.result(), offsets->result());
}

#if defined(RM_BACKEND_CPU)

// Of run-length encoded masks, whose (counts, offsets, h, w) a and b are.
py::object rle_iou(const py::tuple& a, const std::optional<py::tuple>& b, std::string_view metric, py::handle iscrowd) {
  const OverlapMetric chosen = metric_named("mask_iou", metric);
  const auto load = [](const py::tuple& runs) {
    return Runs(runs[0], runs[1], py::cast<std::int64_t>(runs[2]), py::cast<std::int64_t>(runs[3]), "mask_iou");
  };
  const Runs first = load(a);
  const ConstRunLengths view = first.view();
  std::optional<Runs> second;
  std::optional<ConstRunLengths> other;
  if (b) {
    second.emplace(load(*b));
    other = second->view();
    check_sizes(view.h, view.w, other->h, other->w);
  }
  const std::int64_t m = other ? other->n : view.n;
  const PerMask crowds(iscrowd, DType::uint8, m, first.counts(), "mask_iou", "iscrowd");
  const Array overlaps = first.counts().empty(DType::float64, {view.n, m});
  {
    const Call call(first.counts());
    cpu::rle_iou(call.context(), view, other ? &*other : nullptr, chosen, crowds.values<std::uint8_t>(),
                 static_cast<double*>(overlaps.data()));
  }
  return overlaps.result();
}

#endif

}  // namespace

void bind_overlap(py::module_& module) {
  module.def("mask_iou", &mask_iou, py::arg("a"), py::arg("width_a"), py::arg("b"), py::arg("width_b"),
             py::arg("metric"), py::arg("iscrowd"));
  module.def("mask_nms", &mask_nms, py::arg("masks"), py::arg("width"), py::arg("scores"), py::arg("labels"),
             py::arg("threshold"), py::arg("metric"), py::arg("most"));
  module.def("nms_from_iou", &nms_from_iou, py::arg("iou"), py::arg("scores"), py::arg("labels"), py::arg("threshold"),
             py::arg("most"));
  module.def("soft_nms", &soft_nms, py::arg("masks"), py::arg("width"), py::arg("scores"), py::arg("labels"),
             py::arg("method"), py::arg("sigma"), py::arg("overlap_threshold"), py::arg("score_threshold"),
             py::arg("metric"), py::arg("most"));
  module.def("matrix_nms", &matrix_nms, py::arg("masks"), py::arg("width"), py::arg("scores"), py::arg("labels"),
             py::arg("kernel"), py::arg("sigma"));
  module.def("mask_nmm", &mask_nmm, py::arg("masks"), py::arg("width"), py::arg("scores"), py::arg("labels"),
             py::arg("threshold"), py::arg("metric"));
#if defined(RM_BACKEND_CPU)
  module.def("rle_iou", &rle_iou, py::arg("a"), py::arg("b"), py::arg("metric"), py::arg("iscrowd"));
#endif
}

}  // namespace rapidmask::python
