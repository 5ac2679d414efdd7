// Morphology on a device, on packed words.
//
// Everything is a dilation: an erosion is one of the background, by the footprint turned around. A block makes a tile
// of rows: it loads their words, and as many around them as the footprint reaches, into shared memory; makes windows
// ("any of the L pixels up to x") by doubling; and or-s for every run of elements two moved windows into the words that
// its threads hold. A box's windows along y are made by doubling too, so that its cost is that of its logarithms. Bytes
// become words when they are loaded, and words bytes when they are stored: every dilation is one launch.

#include "rapidmask/morphology.hpp"

#include <algorithm>
#include <vector>

#include "morphology_plan.hpp"
#include "pixel_bytes.cuh"
#include "port.cuh"
#include "tiles.cuh"

namespace rapidmask::cuda {
namespace {

constexpr int kGuard = 3;         // words to either side: 64 pixels, and one for what is moved in
constexpr int kRowsOfThread = 4;  // output rows, whose words a thread holds
constexpr int kMostRows = 128;    // of a tile
constexpr int kWidestTile = 32;   // words: 128 bytes, a line of the cache

enum class Difference : std::int32_t { none, other_minus_row, row_minus_other };

// Rows of a batch in either form, or of its background.
struct Rows {
  const std::uint8_t* data;
  bool packed;
};

struct Pass {
  Rows in;
  bool inverts;  // dilates the background and gives what is not in the result
  std::uint32_t outside;
  std::uint8_t* out;
  bool out_packed;
  Rows other;
  Difference difference;
  std::int64_t slices, d, h, w;  // slices of all masks
  const FootprintPart* parts;
  std::int32_t part_count;
  std::int32_t y0, y1;  // offsets along y
  std::int32_t tile_words, tile_rows;

  RM_HOST_DEVICE std::int64_t words() const { return 2 * ((w + 63) / 64); }  // of a row
  RM_HOST_DEVICE std::int64_t tiles_x() const { return (words() + tile_words - 1) / tile_words; }
  RM_HOST_DEVICE std::int64_t tiles_y() const { return (h + tile_rows - 1) / tile_rows; }
  RM_HOST_DEVICE std::int64_t tiles() const { return slices * tiles_y() * tiles_x(); }
  RM_HOST_DEVICE int loaded_rows() const { return tile_rows + y1 - y0; }
  RM_HOST_DEVICE int stride() const { return tile_words + 2 * kGuard; }
  RM_HOST_DEVICE int buffer_words() const { return loaded_rows() * stride(); }
};

// Bits of a word that lie within a row of w pixels.
__device__ std::uint32_t valid_bits(std::int64_t word, std::int64_t w) {
  const std::int64_t left = w - word * kWordPixels;
  return left >= kWordPixels ? ~0u : left <= 0 ? 0u : (1u << left) - 1;
}

__device__ std::uint32_t read_word(const Rows& rows, std::int64_t row, std::int64_t word, std::int64_t w) {
  if (!rows.packed) return read_pixels(rows.data + row * w + word * kWordPixels, w - word * kWordPixels);
  return reinterpret_cast<const std::uint32_t*>(rows.data)[row * 2 * ((w + 63) / 64) + word];
}

// The rows [first_row, first_row + loaded_rows()) of a slice, and kGuard words to either side of the tile.
__device__ void load_tile(const Pass& pass, std::int64_t slice, bool slice_exists, std::int64_t first_row,
                          std::int64_t first_word, std::uint32_t* tile) {
  const std::int64_t words = pass.words();
  for (int k = static_cast<int>(threadIdx.x); k < pass.buffer_words(); k += kThreads) {
    const std::int64_t row = first_row + k / pass.stride(), word = first_word + k % pass.stride() - kGuard;
    std::uint32_t value = pass.outside;
    if (slice_exists && row >= 0 && row < pass.h && word >= 0 && word < words) {
      const std::uint32_t valid = valid_bits(word, pass.w);
      value = read_word(pass.in, slice * pass.h + row, word, pass.w);
      if (pass.inverts) value = ~value;
      value = (value & valid) | (pass.outside & ~valid);
    }
    tile[k] = value;
  }
  __syncthreads();
}

// A word of a row that is moved towards higher x by `shift` pixels, of fewer than 64 to either side.
__device__ std::uint32_t moved(const std::uint32_t* word, int shift) {
  const std::uint32_t* high = word - (shift >> 5);
  return __funnelshift_l(high[-1], high[0], static_cast<unsigned>(shift & 31));
}

// wide = narrow | narrow moved by `shift`, for the words of `tile` that have one before them.
__device__ void widen(const Pass& pass, int shift, const std::uint32_t* narrow, std::uint32_t* wide) {
  const int stride = pass.stride();
  for (int k = static_cast<int>(threadIdx.x); k < pass.buffer_words(); k += kThreads) {
    const int word = k % stride, needed = 1 + (shift >> 5);
    wide[k] = word < needed ? narrow[k] : narrow[k] | moved(narrow + k, shift);
  }
  __syncthreads();
}

// The words of the tile that this thread holds: word `word` of the rows row, row + step, …
struct Held {
  int word, row, step;

  __device__ explicit Held(const Pass& pass)
      : word(static_cast<int>(threadIdx.x) % pass.tile_words),
        row(static_cast<int>(threadIdx.x) / pass.tile_words),
        step(kThreads / pass.tile_words) {}
};

__device__ void dilate_by_runs(const Pass& pass, std::int64_t slice, std::int64_t first_row, std::int64_t first_word,
                               std::uint32_t* tile, std::uint32_t* spare, std::uint32_t* sums) {
  const Held held(pass);
  const std::int64_t z = slice % pass.d;
  for (int k = 0; k < pass.part_count;) {
    const int offset = pass.parts[k].z;
    const std::int64_t from = z - offset;
    __syncthreads();  // all have read the windows of the slice before
    load_tile(pass, slice - offset, from >= 0 && from < pass.d, first_row - pass.y1, first_word, tile);
    int level = 0;
    for (; k < pass.part_count && pass.parts[k].z == offset; ++k) {
      const FootprintPart part = pass.parts[k];
      for (; level < part.level; ++level) {
        widen(pass, 1 << level, tile, spare);
        std::uint32_t* const wide = spare;
        spare = tile;
        tile = wide;
      }
      for (int i = 0; i < kRowsOfThread; ++i) {
        const int row = held.row + i * held.step;
        if (row >= pass.tile_rows) break;
        const std::uint32_t* word = tile + (row - part.y + pass.y1) * pass.stride() + kGuard + held.word;
        sums[i] |= moved(word, part.first) | moved(word, part.last);
      }
    }
  }
}

__device__ void dilate_by_box(const Pass& pass, std::int64_t slice, std::int64_t first_row, std::int64_t first_word,
                              std::uint32_t* tile, std::uint32_t* spare, std::uint32_t* sums) {
  const FootprintPart part = pass.parts[0];
  load_tile(pass, slice, true, first_row - pass.y1, first_word, tile);
  const auto swap = [&] {
    std::uint32_t* const other = spare;
    spare = tile;
    tile = other;
  };
  for (int level = 0; level < part.level; ++level) {
    widen(pass, 1 << level, tile, spare);
    swap();
  }
  const int stride = pass.stride(), rows = pass.loaded_rows();
  for (int k = static_cast<int>(threadIdx.x); k < rows * pass.tile_words; k += kThreads) {
    const int place = k / pass.tile_words * stride + kGuard + k % pass.tile_words;
    spare[place] = moved(tile + place, part.first) | moved(tile + place, part.last);
  }
  __syncthreads();
  swap();
  const int height = pass.y1 - pass.y0 + 1;
  int window = 1;
  for (; 2 * window <= height; window *= 2) {
    for (int k = static_cast<int>(threadIdx.x); k < rows * pass.tile_words; k += kThreads) {
      const int row = k / pass.tile_words, place = row * stride + kGuard + k % pass.tile_words;
      spare[place] = row < window ? tile[place] : tile[place] | tile[place - window * stride];
    }
    __syncthreads();
    swap();
  }
  const Held held(pass);
  for (int i = 0; i < kRowsOfThread; ++i) {
    const int row = held.row + i * held.step;
    if (row >= pass.tile_rows) break;
    const std::uint32_t* last = tile + (row + height - 1) * stride + kGuard + held.word;
    sums[i] = last[0] | last[(window - height) * stride];
  }
}

// The tile's words, now in `tile` without guards, to where they go.
__device__ void store_tile(const Pass& pass, std::int64_t slice, std::int64_t first_row, std::int64_t first_word,
                           const std::uint32_t* tile) {
  const std::int64_t words = pass.words();
  const auto difference = [&](std::uint32_t value, std::uint32_t other) {
    return pass.difference == Difference::none              ? value
           : pass.difference == Difference::other_minus_row ? other & ~value
                                                            : value & ~other;
  };
  for (int k = static_cast<int>(threadIdx.x); k < pass.tile_rows * pass.tile_words; k += kThreads) {
    const std::int64_t y = first_row + k / pass.tile_words, word = first_word + k % pass.tile_words;
    if (y >= pass.h || word >= words) continue;
    const std::int64_t row = slice * pass.h + y;
    const std::uint32_t other = pass.difference == Difference::none ? 0 : read_word(pass.other, row, word, pass.w);
    const std::uint32_t value = difference(tile[k] & valid_bits(word, pass.w), other);
    if (pass.out_packed) {
      reinterpret_cast<std::uint32_t*>(pass.out)[row * words + word] = value;
    } else {
      write_pixels(value, pass.out + row * pass.w + word * kWordPixels, pass.w - word * kWordPixels);
    }
  }
}

template <bool kIsBox>
__global__ void __launch_bounds__(kThreads, 3) dilate_tiles_kernel(Pass pass) {
  RM_DYNAMIC_SHARED(std::uint32_t, shared);
  std::uint32_t* tile = shared;
  std::uint32_t* spare = shared + pass.buffer_words();
  for (std::int64_t t = blockIdx.x; t < pass.tiles(); t += gridDim.x) {
    const std::int64_t first_word = t % pass.tiles_x() * pass.tile_words;
    const std::int64_t first_row = t / pass.tiles_x() % pass.tiles_y() * pass.tile_rows;
    const std::int64_t slice = t / pass.tiles_x() / pass.tiles_y();
    std::uint32_t sums[kRowsOfThread] = {};
    if constexpr (kIsBox) {
      dilate_by_box(pass, slice, first_row, first_word, tile, spare, sums);
    } else {
      dilate_by_runs(pass, slice, first_row, first_word, tile, spare, sums);
    }
    __syncthreads();  // all have read the windows
    const Held held(pass);
    for (int i = 0; i < kRowsOfThread; ++i) {
      const int row = held.row + i * held.step;
      if (row < pass.tile_rows) tile[row * pass.tile_words + held.word] = pass.inverts ? ~sums[i] : sums[i];
    }
    __syncthreads();
    store_tile(pass, slice, first_row, first_word, tile);
    __syncthreads();  // the next tile overwrites this one
  }
}

// Dilations and erosions of one call, launched one after the other.
class Launcher {
 public:
  Launcher(const Context& context, const Masks& masks, const MorphologySettings& settings, const MutableMasks& result)
      : context_(context), masks_(masks), settings_(settings), result_(result) {}

  void run() {
    const Rows given{masks_.data, masks_.packed};
    switch (settings_.operation) {
      case Morphology::dilate: return finish({{false}}, given, Difference::none);
      case Morphology::erode: return finish({{true}}, given, Difference::none);
      case Morphology::opening: return finish({{true}, {false}}, given, Difference::none);
      case Morphology::closing: return finish({{false}, {true}}, given, Difference::none);
      case Morphology::white_tophat: return finish({{true}, {false}}, given, Difference::other_minus_row);
      case Morphology::black_tophat: return finish({{false}, {true}}, given, Difference::row_minus_other);
      case Morphology::boundary: return finish({{true}}, given, Difference::other_minus_row);
      case Morphology::gradient: break;
    }
    auto* dilated = scratch();
    launch_all({{false}}, given, Difference::none, reinterpret_cast<std::uint8_t*>(dilated), true);
    finish({{true}}, {reinterpret_cast<const std::uint8_t*>(dilated), true}, Difference::other_minus_row);
  }

 private:
  struct Step {
    bool erodes;
  };

  std::uint32_t* scratch() const { return context_.scratch<std::uint32_t>(2 * masks_.rows() * masks_.words()); }

  void finish(const std::vector<Step>& steps, const Rows& other, Difference difference) {
    launch_all(steps, other, difference, result_.data, result_.packed);
  }

  // The steps on the given masks; the last one's result goes to `out`, by its difference with `other`.
  void launch_all(const std::vector<Step>& steps, const Rows& other, Difference difference, std::uint8_t* out,
                  bool out_packed) {
    struct Planned {
      FootprintPlan plan;
      bool erodes;
    };
    std::vector<Planned> planned;
    for (const Step& step : steps) {
      for (FootprintPlan& plan : repeated(plan_of(settings_.footprint, step.erodes), settings_.iterations, masks_)) {
        planned.push_back({std::move(plan), step.erodes});
      }
    }
    if (planned.empty()) planned.push_back({plan_of_box({0, 0, 0, 0, 0, 0}), false});
    std::vector<FootprintPart> all;
    for (const Planned& one : planned) all.insert(all.end(), one.plan.parts.begin(), one.plan.parts.end());
    const FootprintPart* parts = context_.table(all.data(), static_cast<std::int64_t>(all.size()));
    Rows in{masks_.data, masks_.packed};
    for (std::size_t k = 0; k < planned.size(); ++k) {
      const bool is_last = k + 1 == planned.size();
      if (!is_last && buffers_[k % 2] == nullptr) buffers_[k % 2] = scratch();
      auto* target = is_last ? out : reinterpret_cast<std::uint8_t*>(buffers_[k % 2]);
      launch_one(planned[k].plan, parts, planned[k].erodes, in, other, is_last ? difference : Difference::none, target,
                 is_last ? out_packed : true);
      parts += planned[k].plan.parts.size();
      in = {target, true};
    }
  }

  void launch_one(const FootprintPlan& plan, const FootprintPart* parts, bool erodes, const Rows& in, const Rows& other,
                  Difference difference, std::uint8_t* out, bool out_packed) {
    Pass pass{};
    pass.in = in;
    pass.inverts = erodes;
    pass.outside = outside_value(settings_.border, erodes) != erodes ? ~0u : 0u;
    pass.out = out;
    pass.out_packed = out_packed;
    pass.other = other;
    pass.difference = difference;
    pass.slices = masks_.n * masks_.d;
    pass.d = masks_.d;
    pass.h = masks_.h;
    pass.w = masks_.w;
    pass.parts = parts;
    pass.part_count = static_cast<std::int32_t>(plan.parts.size());
    pass.y0 = static_cast<std::int32_t>(plan.bounds.y0);
    pass.y1 = static_cast<std::int32_t>(plan.bounds.y1);
    pass.tile_words = 2;
    while (pass.tile_words < pass.words() && pass.tile_words < kWidestTile) pass.tile_words *= 2;
    pass.tile_rows = std::min(kMostRows, kRowsOfThread * kThreads / pass.tile_words);
    const auto shared = static_cast<std::size_t>(2 * pass.buffer_words()) * sizeof(std::uint32_t);
    const bool is_flat_box = plan.is_box && plan.bounds.z0 == 0 && plan.bounds.z1 == 0;
    const int grid = bounded_grid(pass.tiles());
    if (is_flat_box) {
      RM_LAUNCH(dilate_tiles_kernel<true>, grid, kThreads, shared, context_.stream, pass);
    } else {
      RM_LAUNCH(dilate_tiles_kernel<false>, grid, kThreads, shared, context_.stream, pass);
    }
  }

  const Context& context_;
  const Masks& masks_;
  const MorphologySettings& settings_;
  const MutableMasks& result_;
  std::uint32_t* buffers_[2] = {nullptr, nullptr};
};

}  // namespace

void morphology(const Context& context, const Masks& masks, const MorphologySettings& settings,
                const MutableMasks& result) {
  if (masks.n * masks.pixels() == 0) return;
  Launcher(context, masks, settings, result).run();
}

}  // namespace rapidmask::cuda
