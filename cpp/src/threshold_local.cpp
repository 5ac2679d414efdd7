// Local thresholds on the CPU.
//
// Windows are filtered along the rows, then over them: a tile of columns goes down the image, each row that enters is
// widened to float64, reflected at the ends and filtered horizontally, and a ring of filtered rows gives the output
// row. Tiles are as wide as keeps their ring in the second cache.

#include "rapidmask/threshold_local.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "isa/local_rows.hpp"
#include "isa/pack_rows.hpp"
#include "parallel.hpp"
#include "rapidmask/threshold.hpp"
#include "row_sums.hpp"

namespace rapidmask::cpu {
namespace {

constexpr std::int64_t kTileBytes = 512 << 10;
constexpr std::int64_t kWeighedRows = 8;  // that a Gaussian filters at a time
constexpr std::int64_t kGrainPixels = 1 << 15;

template <class T>
double widen(T value) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    return static_cast<double>(to_float(value));
  } else {
    return static_cast<double>(value);
  }
}

template <class T>
void widen_row(const Image& image, std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t count,
               Reflection reflection, double* values) {
  const T* row = image.as<T>().image(i) + y * image.w;
  std::int64_t k = 0;
  for (; k < count && x + k < 0; ++k) values[k] = widen(row[reflected_index(x + k, image.w, reflection)]);
  const std::int64_t inside = std::min(count, image.w - x);
  const T* from = row + x;
  for (; k < inside; ++k) values[k] = widen(from[k]);
  for (; k < count; ++k) values[k] = widen(row[reflected_index(x + k, image.w, reflection)]);
}

// The rows of a batch in float64, so that what filters them is compiled once for all dtypes.
class WideRows {
 public:
  explicit WideRows(const Image& image)
      : image_(image),
        widen_(visit_dtype(image.dtype, [](auto type) -> Widen { return &widen_row<typename decltype(type)::type>; })) {
  }

  std::int64_t h() const { return image_.h; }
  // values[k] = pixel (y, x + k) of image i for k in [0, count), the row continued by reflection.
  void fetch(std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t count, Reflection reflection,
             double* values) const {
    widen_(image_, i, y, x, count, reflection, values);
  }

 private:
  using Widen = void (*)(const Image&, std::int64_t, std::int64_t, std::int64_t, std::int64_t, Reflection, double*);
  const Image& image_;
  Widen widen_;
};

// Output rows [y0, y1) of columns [x0, x1) of image i.
struct Tile {
  std::int64_t i, y0, y1, x0, x1;

  std::int64_t width() const { return x1 - x0; }
};

// Calls finish(y, sums, squares, surface) with the window sums of every row of the tile and a row for what it makes of
// them; `squares` means nothing unless asked for.
template <bool with_squares, class Finish>
void sum_windows(const WideRows& source, Tile tile, LocalWindow window, Reflection reflection, const Finish& finish) {
  const LocalRows& rows = local_rows();
  const std::int64_t width = tile.width();
  const std::int64_t padded = width + window.w - 1;
  RowSums sums(window.h, width);
  RowSums squares(with_squares ? window.h : 1, with_squares ? width : 0);
  const std::int64_t stride = line_stride(padded);
  LineVector<double> buffer(to_size(6 * stride));
  double* values = buffer.data();
  double* squared = values + stride;
  double* row_sums = squared + stride;
  double* out = row_sums + stride;
  double* out_squares = out + stride;
  double* surface = out_squares + stride;
  for (std::int64_t y = tile.y0 - window.h / 2; y < tile.y1 + window.h / 2; ++y) {
    source.fetch(tile.i, reflected_index(y, source.h(), reflection), tile.x0 - window.w / 2, padded, reflection,
                 values);
    if constexpr (with_squares) {
      rows.square(values, padded, squared);
      rows.window_sums(squared, width, window.w, row_sums);
      std::memcpy(squares.next(), row_sums, to_size(width) * sizeof(double));
      squares.push();
    }
    rows.window_sums(values, width, window.w, row_sums);
    std::memcpy(sums.next(), row_sums, to_size(width) * sizeof(double));
    sums.push();
    if (!sums.full()) continue;
    sums.sum(out);
    if constexpr (with_squares) squares.sum(out_squares);
    finish(y - window.h / 2, static_cast<const double*>(out), static_cast<const double*>(out_squares), surface);
  }
}

// The weights of both axes of a Gaussian window.
struct GaussianWindow {
  std::vector<double> rows, columns;

  explicit GaussianWindow(LocalWindow window) : rows(gaussian_weights(window.h)), columns(gaussian_weights(window.w)) {}
  // The size of the cut-off window, which is larger than the one that it is made for.
  LocalWindow support() const {
    return {2 * static_cast<std::int64_t>(rows.size()) - 1, 2 * static_cast<std::int64_t>(columns.size()) - 1};
  }
};

// Calls finish(y, means) with the weighted means of every row of the tile, which it may change. Rows are weighted eight
// at a time and transposed, so that vectors are aligned along them, too, and neighbours load the pixels that they share
// once: 1.25 ms instead of 3.3 for 512 by 512 pixels and windows of 31 (x86_v4, AMD EPYC 9004, one thread; x86_v3: 1.4
// and 4.1).
template <class Finish>
void weigh_windows(const WideRows& source, Tile tile, const GaussianWindow& gaussian, const Finish& finish) {
  constexpr std::int64_t kRows = kWeighedRows;
  const LocalRows& rows = local_rows();
  const std::int64_t width = (tile.width() + kRows - 1) / kRows * kRows;
  const LocalWindow support = gaussian.support();
  const std::int64_t padded = (width + support.w - 1 + 3) / 4 * 4;
  const std::int64_t ring_rows = (support.h - 1 + 2 * kRows - 1) / kRows * kRows;
  const std::int64_t stride = width + kRows;  // no power of 2: the rows would share a set of the cache
  LineVector<double> buffer(to_size((2 * padded + 2 * width) * kRows + ring_rows * stride));
  double* columns = buffer.data();
  double* weighted = columns + padded * kRows;
  double* ring = weighted + width * kRows;
  double* out = ring + ring_rows * stride;
  double* values = out + width * kRows;
  std::vector<const double*> column_lines(to_size(padded)), row_lines(to_size(ring_rows));
  for (std::int64_t x = 0; x < padded; ++x) column_lines[to_size(x)] = columns + x * kRows;
  const std::int64_t first = tile.y0 - support.h / 2;
  const std::int64_t total = tile.y1 + support.h / 2 - first;
  std::int64_t finished = 0;
  for (std::int64_t begin = 0; begin < total; begin += kRows) {
    const std::int64_t count = std::min(kRows, total - begin);
    for (std::int64_t i = 0; i < count; ++i) {
      source.fetch(tile.i, symmetric_index(first + begin + i, source.h()), tile.x0 - support.w / 2,
                   width + support.w - 1, Reflection::symmetric, values + i * padded);
    }
    rows.transpose(values, padded, kRows, padded, columns, kRows);
    rows.weighted_sums(column_lines.data(), gaussian.columns.data(), support.w / 2, width, kRows, weighted);
    rows.transpose(weighted, kRows, width, kRows, ring + begin % ring_rows * stride, stride);
    const std::int64_t ready = begin + count - (support.h - 1) - finished;
    if (ready <= 0) continue;
    for (std::int64_t i = 0; i < support.h - 1 + ready; ++i) {
      row_lines[to_size(i)] = ring + (finished + i) % ring_rows * stride;
    }
    rows.weighted_sums(row_lines.data(), gaussian.rows.data(), support.h / 2, ready, width, out);
    for (std::int64_t i = 0; i < ready; ++i, ++finished) {
      finish(tile.y0 + finished, out + i * width);
    }
  }
}

// Calls finish(y, medians) with every row of the tile, which it may change, as do the two functions after it: the
// medians of bytes from histograms of columns that slide down the tile.
template <class T, class Finish>
void column_medians(View<const T> image, Tile tile, LocalWindow window, const Finish& finish) {
  constexpr int kBias = std::is_signed_v<T> ? 128 : 0;
  constexpr auto kFlip = static_cast<std::uint8_t>(kBias);
  const LocalRows& rows = local_rows();
  const std::int64_t half = window.w / 2;
  const std::int64_t padded = tile.width() + window.w - 1;
  const std::int64_t left = std::clamp<std::int64_t>(half - tile.x0, 0, padded);  // columns before the image
  const std::int64_t inside = std::min(image.w, tile.x1 + half) - std::max<std::int64_t>(0, tile.x0 - half);
  std::vector<std::int64_t> columns(to_size(padded));
  for (std::int64_t x = 0; x < padded; ++x) columns[to_size(x)] = symmetric_index(tile.x0 - half + x, image.w);
  std::vector<std::uint8_t> histograms(to_size(padded * kMedianBytes));
  std::vector<std::uint8_t> bytes(to_size(2 * padded + tile.width()));
  std::uint8_t* enter = bytes.data();
  std::uint8_t* leave = enter + padded;
  std::uint8_t* medians = leave + padded;
  std::vector<double> out(to_size(tile.width()));
  const auto fetch_row = [&](std::int64_t y, std::uint8_t* to) {
    const T* row = image.data + symmetric_index(y, image.h) * image.w;
    for (std::int64_t x = 0; x < left; ++x) to[x] = static_cast<std::uint8_t>(row[columns[to_size(x)]]);
    std::memcpy(to + left, row + columns[to_size(left)], to_size(inside));
    for (std::int64_t x = left + inside; x < padded; ++x) to[x] = static_cast<std::uint8_t>(row[columns[to_size(x)]]);
  };
  // The columns begin as window.h pixels of the lowest value, which the first rows replace.
  std::fill_n(histograms.data(), 2 * 16 * padded, static_cast<std::uint8_t>(window.h));
  std::fill_n(leave, padded, kFlip);
  for (std::int64_t y = tile.y0 - window.h / 2; y < tile.y1 + window.h / 2; ++y) {
    fetch_row(y, enter);
    const std::int64_t middle = y - window.h / 2;
    if (middle > tile.y0) fetch_row(middle - 1 - window.h / 2, leave);
    rows.slide_medians(enter, leave, kFlip, padded, histograms.data());
    if (middle < tile.y0) continue;
    rows.find_medians(histograms.data(), tile.width(), window.w, window.area() / 2, medians);
    for (std::size_t x = 0; x < out.size(); ++x) out[x] = static_cast<double>(medians[x] - kBias);
    finish(middle, out.data());
  }
}

// The same for windows too large for it, from a histogram that slides along the row.
template <class T, class Finish>
void byte_medians(View<const T> image, Tile tile, LocalWindow window, const Finish& finish) {
  constexpr int kBias = std::is_signed_v<T> ? 128 : 0;
  const std::int64_t rank = window.area() / 2;
  std::vector<double> out(to_size(tile.width()));
  std::vector<const T*> lines(to_size(window.h));
  for (std::int64_t y = tile.y0; y < tile.y1; ++y) {
    for (std::int64_t i = 0; i < window.h; ++i) {
      lines[to_size(i)] = image.data + symmetric_index(y - window.h / 2 + i, image.h) * image.w;
    }
    std::int64_t bins[256] = {};
    const auto count = [&](std::int64_t x, std::int64_t change) {
      const std::int64_t column = symmetric_index(x, image.w);
      for (const T* line : lines) bins[line[column] + kBias] += change;
    };
    for (std::int64_t x = tile.x0 - window.w / 2; x < tile.x0 + window.w / 2; ++x) count(x, 1);
    std::int64_t median = 0;
    for (std::int64_t x = tile.x0; x < tile.x1; ++x) {
      count(x + window.w / 2, 1);
      std::int64_t below = 0;
      for (median = 0; below + bins[median] <= rank; ++median) below += bins[median];
      out[to_size(x - tile.x0)] = static_cast<double>(median - kBias);
      count(x - window.w / 2, -1);
    }
    finish(y, out.data());
  }
}

// The median by selection. Widening keeps the order, so values are selected in float64.
template <class Finish>
void selected_medians(const WideRows& source, Tile tile, LocalWindow window, const Finish& finish) {
  const std::int64_t padded = tile.width() + window.w - 1;
  const std::int64_t first = tile.y0 - window.h / 2;
  std::vector<double> ring(to_size(window.h * padded));
  const auto line = [&](std::int64_t y) { return ring.data() + (y - first) % window.h * padded; };
  std::vector<double> out(to_size(tile.width()));
  std::vector<double> values(to_size(window.area()));
  const auto middle = values.begin() + window.area() / 2;
  for (std::int64_t last = first; last < tile.y1 + window.h / 2; ++last) {
    source.fetch(tile.i, symmetric_index(last, source.h()), tile.x0 - window.w / 2, padded, Reflection::symmetric,
                 line(last));
    const std::int64_t y = last - window.h / 2;
    if (y < tile.y0) continue;
    for (std::int64_t x = 0; x < tile.width(); ++x) {
      for (std::int64_t i = 0; i < window.h; ++i) {
        std::copy_n(line(last - window.h + 1 + i) + x, window.w, values.begin() + i * window.w);
      }
      const auto nan = std::find_if(values.begin(), values.end(), [](double value) { return value != value; });
      if (nan == values.end()) std::nth_element(values.begin(), middle, values.end());
      // Adding 0 turns -0 into 0: the two are equal, and which of them is selected is left open.
      out[to_size(x)] = nan == values.end() ? *middle + 0.0 : *nan;
    }
    finish(y, out.data());
  }
}

// Calls visit with image i of a batch of bytes.
template <class Visit>
void visit_bytes(const Image& image, std::int64_t i, const Visit& visit) {
  if (image.dtype == DType::int8) {
    visit(View<const std::int8_t>{image.as<std::int8_t>().image(i), 1, image.h, image.w});
  } else {
    visit(View<const std::uint8_t>{image.as<std::uint8_t>().image(i), 1, image.h, image.w});
  }
}

// Calls body(tile) over the batch in parallel. `window` is what a tile reaches beyond itself, `ring` the
// number of float64 rows that it keeps.
template <class Body>
void for_tiles(const Image& image, LocalWindow window, std::int64_t ring, const Body& body) {
  if (image.size() == 0) return;
  const std::int64_t fitting = kTileBytes / static_cast<std::int64_t>(sizeof(double)) / ring;
  const std::int64_t width = (std::max({std::int64_t{256}, fitting, window.w}) + 63) / 64 * 64;
  // A band reads window.h - 1 rows twice, so bands are a few windows high.
  const std::int64_t height = get_num_threads() == 1 ? image.h : std::max<std::int64_t>(64, 4 * window.h);
  const std::int64_t bands = (image.h + height - 1) / height;
  const std::int64_t tiles = (image.w + width - 1) / width;
  const std::int64_t pixels = std::min(height, image.h) * std::min(width, image.w);
  parallel_for(image.n * bands * tiles, std::max<std::int64_t>(1, kGrainPixels / pixels),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t y = task / tiles % bands * height;
                   const std::int64_t x = task % tiles * width;
                   body(Tile{task / tiles / bands, y, std::min(y + height, image.h), x, std::min(x + width, image.w)});
                 }
               });
}

// Calls emit(tile, y, surface) with every row of the medians of windows, in float64.
template <class Emit>
void median_surface(const Image& image, LocalWindow window, const Emit& emit) {
  const bool bytes = image.dtype == DType::uint8 || image.dtype == DType::int8;
  const bool by_columns = bytes && window.h <= kMedianRows && window.area() <= kMedianArea;
  const LocalWindow reach = {bytes && !by_columns ? 1 : window.h, window.w};
  const std::int64_t ring = by_columns ? kMedianBytes / static_cast<std::int64_t>(sizeof(double)) : reach.h;
  const WideRows source(image);
  for_tiles(image, reach, ring, [&](Tile tile) {
    const auto finish = [&](std::int64_t y, double* medians) { emit(tile, y, medians); };
    if (!bytes) return selected_medians(source, tile, window, finish);
    visit_bytes(image, tile.i, [&](auto one) {
      by_columns ? column_medians(one, tile, window, finish) : byte_medians(one, tile, window, finish);
    });
  });
}

// Calls emit(tile, y, surface) with every row of the local threshold, in float64.
template <class Emit>
void local_surface(const Image& image, LocalWindow window, LocalMethod method, double offset, const Emit& emit) {
  const WideRows source(image);
  if (method == LocalMethod::mean) {
    return for_tiles(image, window, RowSums::ring_rows(window.h), [&](Tile tile) {
      sum_windows<false>(source, tile, window, Reflection::symmetric,
                         [&](std::int64_t y, const double* sums, const double*, double* surface) {
                           local_rows().mean(sums, tile.width(), static_cast<double>(window.area()), offset, surface);
                           emit(tile, y, surface);
                         });
    });
  }
  const auto emit_less_offset = [&](Tile tile, std::int64_t y, double* middle) {
    for (std::int64_t x = 0; x < tile.width(); ++x) middle[x] -= offset;
    emit(tile, y, middle);
  };
  if (method == LocalMethod::median) return median_surface(image, window, emit_less_offset);
  const GaussianWindow gaussian(window);
  for_tiles(image, gaussian.support(), gaussian.support().h + 3 * kWeighedRows, [&](Tile tile) {
    weigh_windows(source, tile, gaussian, [&](std::int64_t y, double* means) { emit_less_offset(tile, y, means); });
  });
}

// Stores a row of float64 values where the pixel (i, y, x) of the surface is, rounded to its type.
void store_row(const Image& image, Tile tile, std::int64_t y, const double* values, void* surface) {
  const std::int64_t at = (tile.i * image.h + y) * image.w + tile.x0;
  if (surface_dtype(image.dtype) == DType::float64) {
    std::memcpy(static_cast<double*>(surface) + at, values, to_size(tile.width()) * sizeof(double));
    return;
  }
  float* to = static_cast<float*>(surface) + at;
  for (std::int64_t x = 0; x < tile.width(); ++x) to[x] = static_cast<float>(values[x]);
}

// Calls finish(sums, squares, count, surface) for rows of windows that are reflected about pixel centres.
template <class Finish>
void deviation_surface(const Image& image, LocalWindow window, void* surface, const Finish& finish) {
  const WideRows source(image);
  for_tiles(image, window, 2 * RowSums::ring_rows(window.h), [&](Tile tile) {
    sum_windows<true>(source, tile, window, Reflection::mirrored,
                      [&](std::int64_t y, const double* sums, const double* squares, double* values) {
                        finish(sums, squares, tile.width(), values);
                        store_row(image, tile, y, values, surface);
                      });
  });
}

// Rows [y0, y1) of one 8-bit image against their local means, in integers.
template <class Column>
void decide_band(View<const std::uint8_t> image, std::uint8_t flip, std::int64_t y0, std::int64_t y1,
                 LocalWindow window, const IntegerMeanRule& rule, std::uint8_t* mask, std::uint64_t* words) {
  constexpr bool narrow = sizeof(Column) == 2;
  const LocalRows& rows = local_rows();
  const std::int64_t half = window.w / 2;
  const std::int64_t row_words = (image.w + 63) / 64;
  const std::int64_t length = image.w + window.w - 1 + kColumnSlack;
  std::vector<Column> columns(to_size(length));
  std::vector<std::int32_t> scratch(to_size(narrow ? 0 : length));
  Column* centre = columns.data() + half;
  const auto row = [&](std::int64_t y) { return image.data + symmetric_index(y, image.h) * image.w; };
  const auto area = static_cast<std::int32_t>(rule.area);
  const auto bias = static_cast<std::int32_t>(rule.bias);
  // A row of pixels that count as 0 makes the sums of the first rows out of the same loop.
  const std::vector<std::uint8_t> zeros(to_size(image.w), flip);
  const auto slide = [&](const std::uint8_t* enter, const std::uint8_t* leave) {
    if constexpr (narrow) {
      rows.slide_narrow(enter, leave, flip, image.w, centre);
    } else {
      rows.slide_wide(enter, leave, flip, image.w, centre);
    }
  };
  for (std::int64_t y = y0 - window.h / 2; y < y0 + window.h / 2; ++y) slide(row(y), zeros.data());
  const std::uint8_t* leave = zeros.data();
  for (std::int64_t y = y0; y < y1; ++y) {
    slide(row(y + window.h / 2), leave);
    leave = row(y - window.h / 2);
    for (std::int64_t x = 1; x <= half; ++x) {
      centre[-x] = centre[symmetric_index(-x, image.w)];
      centre[image.w - 1 + x] = centre[symmetric_index(image.w - 1 + x, image.w)];
    }
    const std::uint8_t* pixels = image.data + y * image.w;
    std::uint8_t* to = mask == nullptr ? nullptr : mask + y * image.w;
    std::uint64_t* bits = words == nullptr ? nullptr : words + y * row_words;
    if constexpr (narrow) {
      rows.decide_narrow(pixels, flip, columns.data(), image.w, window.w, area, bias, to, bits);
    } else {
      rows.decide_wide(pixels, flip, columns.data(), image.w, window.w, area, bias, scratch.data(), to, bits);
    }
  }
}

void integer_mean_masks(const Image& image, LocalWindow window, const IntegerMeanRule& rule, std::uint8_t* mask,
                        PackedMasks packed) {
  const std::uint8_t flip = image.dtype == DType::int8 ? 0 : 0x80;
  const bool narrow = window.h <= local_rows().narrow_h && window.w <= local_rows().narrow_w;
  const std::int64_t height = get_num_threads() == 1 ? image.h : std::max<std::int64_t>(64, 4 * window.h);
  const std::int64_t bands = (image.h + height - 1) / height;
  const std::int64_t grain = std::max<std::int64_t>(1, 16 * kGrainPixels / (std::min(height, image.h) * image.w));
  parallel_for(image.n * bands, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t i = task / bands;
      const std::int64_t y = task % bands * height;
      const View<const std::uint8_t> one{image.as<std::uint8_t>().image(i), 1, image.h, image.w};
      const auto decide = narrow ? decide_band<std::int16_t> : decide_band<std::int32_t>;
      decide(one, flip, y, std::min(y + height, image.h), window, rule,
             mask == nullptr ? nullptr : mask + i * image.image_size(),
             packed.data == nullptr ? nullptr : packed.image(i));
    }
  });
}

// mask[x] = pixel > surface (or >=) in the surface's type.
template <class Surface, class T>
void compare_row(const T* pixels, const double* surface, std::int64_t count, bool strict, std::uint8_t* mask) {
  for (std::int64_t x = 0; x < count; ++x) {
    mask[x] = exceeds(pixels[x], static_cast<Surface>(surface[x]), strict);
  }
}

}  // namespace

void threshold_local(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                     void* surface) {
  check_local_window("threshold_local", "block_size", window);
  local_surface(image, window, method, offset,
                [&](Tile tile, std::int64_t y, const double* values) { store_row(image, tile, y, values, surface); });
}

void threshold_niblack(const Context&, const Image& image, LocalWindow window, double k, void* surface) {
  check_local_window("threshold_niblack", "window_size", window);
  const auto area = static_cast<double>(window.area());
  deviation_surface(image, window, surface,
                    [&](const double* sums, const double* squares, std::int64_t count, double* values) {
                      local_rows().niblack(sums, squares, count, area, k, values);
                    });
}

void threshold_sauvola(const Context&, const Image& image, LocalWindow window, double k, double r, void* surface) {
  check_local_window("threshold_sauvola", "window_size", window);
  check_dynamic_range(r);
  const auto area = static_cast<double>(window.area());
  deviation_surface(image, window, surface,
                    [&](const double* sums, const double* squares, std::int64_t count, double* values) {
                      local_rows().sauvola(sums, squares, count, area, k, r, values);
                    });
}

void adaptive_threshold(const Context&, const Image& image, LocalWindow window, LocalMethod method, double offset,
                        bool strict, std::uint8_t* mask, PackedMasks packed) {
  check_local_window("adaptive_threshold", "block_size", window);
  if (image.size() == 0) return;
  if (method == LocalMethod::mean) {
    const IntegerMeanRule rule = integer_mean_rule(image.dtype, window, offset, strict);
    if (rule.exact) return integer_mean_masks(image, window, rule, mask, packed);
  }
  local_surface(image, window, method, offset, [&](Tile tile, std::int64_t y, const double* surface) {
    const std::int64_t at = (tile.i * image.h + y) * image.w + tile.x0;
    std::vector<std::uint8_t> bytes(to_size(mask == nullptr ? tile.width() : 0));
    std::uint8_t* to = mask == nullptr ? bytes.data() : mask + at;
    visit_dtype(image.dtype, [&](auto type) {
      using T = typename decltype(type)::type;
      const T* pixels = image.as<T>().data + at;
      if (surface_dtype(image.dtype) == DType::float32) {
        compare_row<float>(pixels, surface, tile.width(), strict, to);
      } else {
        compare_row<double>(pixels, surface, tile.width(), strict, to);
      }
    });
    if (packed.data != nullptr) {
      pack_rows().pack(to, 1, tile.width(), packed.image(tile.i) + y * packed.words() + tile.x0 / 64);
    }
  });
}

}  // namespace rapidmask::cpu
