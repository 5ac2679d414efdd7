// Components of chunks: what they tell to the chunks around them, and what becomes of them once that is known.

#include "rapidmask/seams.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <stdexcept>

#include "component_masks.hpp"
#include "union_find.hpp"

namespace rapidmask::cpu {
namespace {

struct Workspace {
  PaddedBits bits;
  MaskComponents components;
  std::vector<std::int32_t> of_run;
};

struct ImageSummary {
  std::vector<std::int64_t> areas;
  std::vector<FaceRun> faces;
};

enum Face : std::int32_t { kBefore, kBehind, kAbove, kBelow, kLeft, kRight };

// The stretches of equal labels of a column of face `face`, whose line is `line`.
void list_column(const std::int32_t* labels, std::int64_t rows, Face face, std::int64_t line,
                 std::vector<FaceRun>& faces) {
  for (std::int64_t y = 0; y < rows;) {
    std::int64_t end = y + 1;
    while (end < rows && labels[end] == labels[y]) ++end;
    if (labels[y] != 0) {
      faces.push_back({face, static_cast<std::int32_t>(line), static_cast<std::int32_t>(y),
                       static_cast<std::int32_t>(end), labels[y]});
    }
    y = end;
  }
}

// Labels are those within the image; `numbered` is given its rows' largest.
ImageSummary summarize(const MaskComponents& components, const Masks& masks, std::int64_t image, bool volume,
                       std::int32_t* numbered) {
  ImageSummary found;
  found.areas.assign(static_cast<std::size_t>(components.components()), 0);
  const std::int64_t lines = masks.d * masks.h;
  std::vector<std::int32_t> sides(static_cast<std::size_t>(2 * lines), 0);  // the labels of the left column, and right
  std::int32_t* left = sides.data();
  std::int32_t* right = left + lines;
  components.for_each_run(false, [&](const Run& run, std::int64_t z, std::int64_t y) {
    const std::int64_t row = z * masks.h + y;
    found.areas[static_cast<std::size_t>(run.label - 1)] += run.end - run.begin;
    numbered[row] = std::max(numbered[row], run.label);
    if (run.begin == 0) left[row] = run.label;
    if (run.end == masks.w) right[row] = run.label;
    const auto lay_on = [&](Face face, std::int64_t line) {
      found.faces.push_back({face, static_cast<std::int32_t>(line), run.begin, run.end, run.label});
    };
    const std::int64_t slice = volume ? z : image;
    if (y == 0) lay_on(kAbove, slice);
    if (y == masks.h - 1) lay_on(kBelow, slice);
    if (volume && z == 0) lay_on(kBefore, y);
    if (volume && z == masks.d - 1) lay_on(kBehind, y);
  });
  for (std::int64_t z = 0; z < masks.d; ++z) {
    const std::int64_t slice = volume ? z : image;
    list_column(left + z * masks.h, masks.h, kLeft, slice, found.faces);
    list_column(right + z * masks.h, masks.h, kRight, slice, found.faces);
  }
  return found;
}

}  // namespace

ChunkSummary summarize_chunk(const Masks& masks, int connectivity, bool background) {
  const std::int64_t rows = masks.d * masks.h;
  std::vector<ImageSummary> images(static_cast<std::size_t>(masks.n));
  ChunkSummary chunk;
  chunk.numbered.assign(static_cast<std::size_t>(masks.rows()), 0);
  for_each_mask<Workspace>(
      masks.n, masks.d * masks.h, masks.pixels(), [&](std::int64_t i, Workspace& workspace, bool parallel) {
        workspace.bits.load(masks, i, background, parallel);
        workspace.components.build(workspace.bits, connectivity, parallel);
        images[static_cast<std::size_t>(i)] =
            summarize(workspace.components, masks, i, is_volume(connectivity), chunk.numbered.data() + i * rows);
      });
  chunk.offsets.push_back(0);
  std::int32_t numbered = 0;
  for (std::int64_t i = 0; i < masks.n; ++i) {
    const auto before = static_cast<std::int32_t>(chunk.offsets.back());
    for (std::int64_t row = i * rows; row < (i + 1) * rows; ++row) {
      std::int32_t& largest = chunk.numbered[static_cast<std::size_t>(row)];
      if (largest != 0) numbered = std::max(numbered, before + largest);
      largest = numbered;
    }
    const ImageSummary& image = images[static_cast<std::size_t>(i)];
    chunk.areas.insert(chunk.areas.end(), image.areas.begin(), image.areas.end());
    for (FaceRun run : image.faces) {
      run.label += before;
      chunk.faces.push_back(run);
    }
    chunk.offsets.push_back(static_cast<std::int64_t>(chunk.areas.size()));
    if (chunk.offsets.back() > std::numeric_limits<std::int32_t>::max()) {
      throw std::invalid_argument("summarize_chunk: a chunk must have at most 2147483647 components, got more");
    }
  }
  return chunk;
}

void paint_chunk(const Masks& masks, int connectivity, const std::int64_t* offsets, const std::int32_t* table,
                 std::int32_t* pixels) {
  for_each_mask<Workspace>(masks.n, masks.d * masks.h, masks.pixels(),
                           [&](std::int64_t i, Workspace& workspace, bool parallel) {
                             MaskComponents& components = workspace.components;
                             workspace.bits.load(masks, i, false, parallel);
                             components.build(workspace.bits, connectivity, parallel);
                             auto& of_run = workspace.of_run;
                             of_run.assign(static_cast<std::size_t>(1 + components.runs() + kLabelSlack), 0);
                             const std::int32_t* of_label = table + offsets[i];
                             for (std::int64_t r = 0; r < components.runs(); ++r) {
                               of_run[static_cast<std::size_t>(1 + r)] = of_label[components.labels()[r]];
                             }
                             components.paint(of_run.data() + 1, parallel, pixels + i * masks.pixels());
                           });
}

void sift_chunk(const Masks& masks, int connectivity, bool background, const std::int64_t* offsets,
                const std::uint8_t* keep, const MutableMasks& result) {
  for_each_mask<Workspace>(
      masks.n, masks.d * masks.h, masks.pixels(), [&](std::int64_t i, Workspace& workspace, bool parallel) {
        workspace.bits.load(masks, i, background, parallel);
        const std::uint8_t* of_label = keep + offsets[i];
        if (std::find(of_label + 1, keep + offsets[i + 1] + 1, 0) != keep + offsets[i + 1] + 1) {
          workspace.components.build(workspace.bits, connectivity, parallel);
          workspace.components.for_each_run(parallel, [&](const Run& run, std::int64_t z, std::int64_t y) {
            if (of_label[run.label] == 0) clear_run(workspace.bits.row(z, y), run);
          });
        }
        workspace.bits.store(result, i, background, parallel);
      });
}

void unite_seams(std::uint32_t* parents, std::span<const SeamRun> a, std::span<const SeamRun> b, std::int64_t shift,
                 std::int64_t reach) {
  std::size_t first = 0;
  for (const SeamRun& run : a) {
    const std::int64_t begin = run.begin + shift - reach, end = run.end + shift + reach;
    while (first < b.size() && b[first].end <= begin) ++first;
    for (std::size_t j = first; j < b.size() && b[j].begin < end; ++j) {
      unite(parents, static_cast<std::uint32_t>(run.part), static_cast<std::uint32_t>(b[j].part));
    }
  }
}

void flatten_parts(std::span<std::uint32_t> parents) {
  for (std::uint32_t& parent : parents) parent = parents[parent];  // which stands before, and is flat
}

}  // namespace rapidmask::cpu
