// Label maps: their runs, confusion matrices and overlaps of segments against counting pixel by pixel.

#include <algorithm>
#include <set>

#include "rapidmask/confusion.hpp"
#include "rapidmask/threshold.hpp"
#include "runs.hpp"

namespace rapidmask::fuzz {
namespace {

// Few labels, or any; in stripes or anyhow.
template <class T>
Array<T> any_labels(Input& input, std::int64_t count) {
  Array<T> labels(count);
  const auto kind = input.below(4);
  const std::int64_t distinct = input.between(1, kind == 0 ? 3 : 40), length = input.between(1, 40);
  const auto offset = static_cast<T>(input.flag() ? 0 : input.bits(8));
  Noise noise(input);
  if (kind == 3) {
    const Bytes bytes = input.rest();
    for (std::int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      labels[i] = at < bytes.size() ? static_cast<T>(static_cast<T>(bytes[at]) - static_cast<T>(2)) : T{0};
    }
    return labels;
  }
  T label{0};
  for (std::int64_t i = 0; i < count; ++i) {
    if (kind == 1 || i % length == 0) label = static_cast<T>(offset + static_cast<T>(noise.below(distinct)));
    labels[i] = label;
  }
  return labels;
}

template <class T>
void compare_runs(Input& input, DType dtype) {
  const std::int64_t n = input.below(4), h = input.extent(140), w = input.extent_beside(h, 300, 2000);
  const auto labels = any_labels<T>(input, n * h * w);
  Runs wanted;
  std::vector<std::int64_t> own_values, maps;
  for (std::int64_t i = 0; i < n; ++i) {
    const T* map = labels.data() + i * h * w;
    std::set<T> distinct(map, map + h * w);
    distinct.erase(T{0});
    for (const T label : distinct) {
      Bytes mask(static_cast<std::size_t>(h * w));
      for (std::int64_t k = 0; k < h * w; ++k) mask[static_cast<std::size_t>(k)] = map[k] == label;
      const Runs runs = runs_of(mask, 1, h, w);
      wanted.counts.insert(wanted.counts.end(), runs.counts.begin(), runs.counts.end());
      wanted.offsets.push_back(static_cast<std::int64_t>(wanted.counts.size()));
      own_values.push_back(static_cast<std::int64_t>(label));
      maps.push_back(i);
    }
  }
  at_every_level("runs of labels", [&] {
    const cpu::FoundLabels own = cpu::rle_encode_labels({}, {labels.data(), dtype, n, h, w});
    expect(own.counts == wanted.counts && own.offsets == wanted.offsets, "runs of labels");
    expect(own.values == own_values && own.maps == maps, "labels of runs");
    return true;
  });
}

template <class P, class T>
void compare_pairs(Input& input, DType prediction_dtype, DType target_dtype) {
  const std::int64_t count = input.below(input.flag() ? 300 : 3000);
  const bool matrices = input.flag(), counts_invalid = input.flag();
  const Classes classes{input.pick<std::int64_t>({1, 2, 3, 19, 150, 255, 256, 300}), input.flag(),
                        input.pick<std::int64_t>({255, 0, 1, -1, 2, 1000})};
  std::set<std::int64_t> own_listed[2];
  for (auto& listed : own_listed) {
    for (std::int64_t k = input.below(input.flag() ? 6 : 60); k > 0; --k)
      listed.insert(input.flag() ? input.below(60) - 2 : static_cast<std::int64_t>(input.bits(8)));
  }
  const auto prediction = any_labels<P>(input, count);
  const auto target = any_labels<T>(input, count);
  const LabelPairs pairs{prediction.data(), target.data(), prediction_dtype, target_dtype, count};
  if (matrices) {
    Array<std::int64_t> wanted(classes.count * classes.count, 0);
    std::int64_t invalid = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      const auto p = static_cast<Int128>(prediction[i]), t = static_cast<Int128>(target[i]);
      if (classes.ignores && t == classes.ignored) continue;
      const bool valid = p >= 0 && p < classes.count && t >= 0 && t < classes.count;
      if (valid) ++wanted[static_cast<std::int64_t>(t) * classes.count + static_cast<std::int64_t>(p)];
      invalid += !valid;
    }
    at_every_level("a confusion matrix", [&] {
      Array<std::int64_t> own(wanted.size()), own_invalid(1);
      cpu::confusion_matrix({}, pairs, classes, own.data(), counts_invalid ? own_invalid.data() : nullptr);
      expect(own == wanted, "a confusion matrix");
      if (counts_invalid) expect(own_invalid[0] == invalid, "pixels of no class");
      return true;
    });
    return;
  }
  const Array<std::int64_t> rows({own_listed[1].begin(), own_listed[1].end()}),
      columns({own_listed[0].begin(), own_listed[0].end()});
  const auto place = [](const Array<std::int64_t>& list, Int128 label) {
    const auto* at = std::find(list.begin(), list.end(), label);
    return static_cast<std::int64_t>(at - list.begin());
  };
  Array<std::int64_t> wanted((rows.size() + 1) * (columns.size() + 1), 0);
  for (std::int64_t i = 0; i < count; ++i)
    ++wanted[place(rows, static_cast<Int128>(target[i])) * (columns.size() + 1) +
             place(columns, static_cast<Int128>(prediction[i]))];
  at_every_level("overlaps of labels", [&] {
    Array<std::int64_t> own(wanted.size());
    cpu::label_overlaps({}, pairs, {columns.data(), columns.size()}, {rows.data(), rows.size()}, own.data());
    expect(own == wanted, "overlaps of labels");
    return true;
  });
}

template <class P>
void compare_with(Input& input, DType prediction) {
  switch (input.below(4)) {
    case 0: return compare_pairs<P, std::uint8_t>(input, prediction, DType::uint8);
    case 1: return compare_pairs<P, std::int64_t>(input, prediction, DType::int64);
    case 2: return compare_pairs<P, std::uint64_t>(input, prediction, DType::uint64);
    default: return compare_pairs<P, std::int16_t>(input, prediction, DType::int16);
  }
}

}  // namespace

void run(Input& input) {
  if (input.flag()) {
    switch (input.below(4)) {
      case 0: return compare_with<std::uint8_t>(input, DType::uint8);
      case 1: return compare_with<std::int32_t>(input, DType::int32);
      case 2: return compare_with<std::int64_t>(input, DType::int64);
      default: return compare_with<std::uint16_t>(input, DType::uint16);
    }
  }
  switch (input.below(6)) {
    case 0: return compare_runs<std::uint8_t>(input, DType::uint8);
    case 1: return compare_runs<std::int8_t>(input, DType::int8);
    case 2: return compare_runs<std::uint16_t>(input, DType::uint16);
    case 3: return compare_runs<std::int32_t>(input, DType::int32);
    case 4: return compare_runs<std::int64_t>(input, DType::int64);
    default: return compare_runs<std::uint64_t>(input, DType::uint64);
  }
}

}  // namespace rapidmask::fuzz
