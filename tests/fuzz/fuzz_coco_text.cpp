// COCO's strings: reading and writing against a literal second implementation, and the overlaps of masks read from
// them.

#include <algorithm>
#include <optional>
#include <span>
#include <stdexcept>

#include "input.hpp"
#include "rapidmask/coco.hpp"

namespace rapidmask::fuzz {
namespace {

using Counts = std::vector<std::uint32_t>;

std::optional<Counts> read_literally(const std::string& text) {
  std::vector<long long> counts;
  for (std::size_t at = 0; at < text.size();) {
    long long x = 0;
    for (int group_number = 0;; ++group_number) {
      if (at == text.size() || group_number == 8) return std::nullopt;
      const int group = static_cast<unsigned char>(text[at++]) - 48;
      if (group < 0 || group > 63) return std::nullopt;
      x += static_cast<long long>(group % 32) << (5 * group_number);
      if (group >= 32) continue;
      if (group >= 16) x -= 1ll << (5 * group_number + 5);
      break;
    }
    if (counts.size() > 2) x += counts[counts.size() - 2];
    if (x < 0 || x > 0xffffffffll) return std::nullopt;
    counts.push_back(x);
  }
  return Counts(counts.begin(), counts.end());
}

std::string write_literally(const Counts& counts) {
  std::string text;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    long long x = counts[i];
    if (i > 2) x -= counts[i - 2];
    for (bool more = true; more;) {
      const long long group = ((x % 32) + 32) % 32;
      x = (x - group) / 32;
      more = group >= 16 ? x != -1 : x != 0;
      text.push_back(static_cast<char>(48 + group + (more ? 32 : 0)));
    }
  }
  return text;
}

Array<char> exactly(const std::string& text) { return Array<char>(std::vector<char>(text.begin(), text.end())); }
std::string_view view_of(const Array<char>& text) { return {text.data(), static_cast<std::size_t>(text.size())}; }

std::optional<Counts> read(const std::string& text) {
  const Array<char> characters = exactly(text);
  Array<std::uint32_t> counts(characters.size());
  try {
    const std::int64_t count = rle_from_string("fuzz", view_of(characters), counts.data());
    expect(count <= characters.size(), "no more counts than characters");
    return Counts(counts.data(), counts.data() + count);
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

std::string write(const Counts& given) {
  const Array<std::uint32_t> counts(given);
  Array<char> text(kRunCharacters * counts.size() + kRunSlack);
  return {text.data(), static_cast<std::size_t>(rle_to_string(counts.data(), counts.size(), text.data()))};
}

std::uint32_t any_count(Input& input) {
  switch (input.below(4)) {
    case 0: return static_cast<std::uint32_t>(input.bits(4));
    case 1: return static_cast<std::uint32_t>(input.bits(2));
    case 2: return static_cast<std::uint32_t>(input.below(90));
    default: return input.byte() % 3;
  }
}

std::string any_text(Input& input) {
  if (input.flag()) {
    const Bytes bytes = input.rest();
    return {bytes.begin(), bytes.end()};
  }
  Counts counts(static_cast<std::size_t>(input.below(input.flag() ? 200 : 12)));
  for (auto& count : counts) count = any_count(input);
  std::string text = write_literally(counts);
  for (std::int64_t damage = input.below(4); damage > 0 && !text.empty(); --damage) {
    const auto at = static_cast<std::size_t>(input.below(static_cast<std::int64_t>(text.size())));
    const auto other = static_cast<char>(48 + input.below(64));
    switch (input.below(4)) {
      case 0: text[at] = static_cast<char>(text[at] ^ 1 << input.below(8)); break;
      case 1: text[at] = other; break;
      case 2: text.erase(at, 1); break;
      default: text.insert(at, 1, other);
    }
  }
  return text;
}

// The runs of a mask of at most some pixels, whatever the text says, in text that is canonical or not.
std::string text_of_mask(const Counts& given, std::int64_t h, std::int64_t w) {
  Counts counts;
  std::int64_t left = h * w;
  for (const std::uint32_t count : given) {
    const auto part = static_cast<std::uint32_t>(std::min<std::int64_t>(left, count % 300));
    counts.push_back(part);
    left -= part;
  }
  if (left > 0) counts.push_back(static_cast<std::uint32_t>(left));
  return write_literally(counts);
}

Bytes paint(const std::string& text, std::int64_t h, std::int64_t w) {
  const Counts counts = read_literally(text).value();
  Bytes mask(static_cast<std::size_t>(h * w));
  std::size_t position = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    for (std::uint32_t k = 0; k < counts[i]; ++k) mask[position++] = i % 2 == 1;
  }
  return mask;  // by columns
}

struct Drawn {
  std::string text;
  std::int64_t h, w;
  Bytes pixels;

  std::array<std::int64_t, 4> box() const {
    std::array<std::int64_t, 4> box{w, h, 0, 0};
    for (std::int64_t i = 0; i < h * w; ++i) {
      if (pixels[static_cast<std::size_t>(i)] == 0) continue;
      box = {std::min(box[0], i / h), std::min(box[1], i % h), std::max(box[2], i / h + 1),
             std::max(box[3], i % h + 1)};
    }
    return box[2] == 0 ? std::array<std::int64_t, 4>{} : box;
  }
  std::int64_t area() const { return std::count(pixels.begin(), pixels.end(), 1); }
};

double overlap(const Drawn& detection, const Drawn& truth, bool crowd) {
  const auto a = detection.box(), b = truth.box();
  if (a[0] >= b[2] || b[0] >= a[2] || a[1] >= b[3] || b[1] >= a[3]) return 0;
  if (detection.h != truth.h || detection.w != truth.w) return -1;
  std::int64_t both = 0;
  for (std::size_t i = 0; i < truth.pixels.size(); ++i) both += detection.pixels[i] & truth.pixels[i];
  const std::int64_t whole = detection.area() + (crowd ? 0 : truth.area() - both);
  return whole == 0 ? 0 : static_cast<double>(both) / static_cast<double>(whole);
}

void compare_masks(Input& input, const Counts& counts) {
  const std::int64_t n = input.between(1, 4), m = input.between(1, 3);
  std::vector<Drawn> drawn;
  for (std::int64_t i = 0; i < n + m; ++i) {
    const bool other_size = i > 0 && input.byte() % 8 != 0;
    const std::int64_t h = other_size ? drawn[0].h : input.extent(140), w = other_size ? drawn[0].w : input.extent(40);
    Counts own = counts;
    for (std::int64_t k = input.below(4); k > 0 && !own.empty(); --k)
      own[static_cast<std::size_t>(input.below(static_cast<std::int64_t>(own.size())))] = any_count(input);
    std::string text = text_of_mask(own, h, w);
    Bytes pixels = paint(text, h, w);
    drawn.push_back({std::move(text), h, w, std::move(pixels)});
  }
  std::vector<Array<char>> memory;
  std::vector<CocoText> texts;
  for (const Drawn& mask : drawn) memory.push_back(exactly(mask.text));
  for (std::size_t i = 0; i < drawn.size(); ++i) texts.push_back({view_of(memory[i]), drawn[i].h, drawn[i].w});
  Array<std::uint8_t> crowds(m);
  for (std::uint8_t& crowd : crowds) crowd = input.flag();

  const std::span<const CocoText> all(texts);
  const auto overlaps = at_every_level("overlaps of texts", [&] {
    Array<double> result(n * m);
    const CocoPairs pairs[]{{all.first(static_cast<std::size_t>(n)),
                             all.last(static_cast<std::size_t>(m)),
                             {crowds.data(), static_cast<std::size_t>(m)},
                             result.data()}};
    cpu::coco_ious("fuzz", pairs);
    return result;
  });
  for (std::int64_t j = 0; j < m; ++j) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double wanted =
          overlap(drawn[static_cast<std::size_t>(i)], drawn[static_cast<std::size_t>(n + j)], crowds[j] != 0);
      expect(overlaps[j * n + i] == wanted, "an overlap of texts");
    }
  }
  Array<std::uint32_t> areas(n + m);
  Array<double> boxes(4 * (n + m));
  cpu::coco_measure("fuzz", all, areas.data(), boxes.data());
  for (std::int64_t i = 0; i < n + m; ++i) {
    const auto box = drawn[static_cast<std::size_t>(i)].box();
    expect(areas[i] == drawn[static_cast<std::size_t>(i)].area(), "the area of a text");
    const std::int64_t wanted[4]{box[0], box[1], box[2] - box[0], box[3] - box[1]};
    expect(std::equal(wanted, wanted + 4, boxes.data() + 4 * i), "the box of a text");
  }
}

// Whatever text of whatever size is measured or refused.
void measure_anything(const std::string& text, std::int64_t h, std::int64_t w) {
  const Array<char> characters = exactly(text);
  const CocoText texts[]{{view_of(characters), h, w}};
  std::uint32_t area;
  double box[4];
  const auto counts = read_literally(text);
  std::int64_t sum = 0;
  for (const std::uint32_t count : counts.value_or(Counts{})) sum += count;
  try {
    cpu::coco_measure("fuzz", texts, &area, box);
    expect(counts.has_value() && h >= 0 && w >= 0 && sum == h * w, "a refusal of runs that are no mask");
    expect(box[0] >= 0 && box[1] >= 0 && box[0] + box[2] <= static_cast<double>(w) &&
               box[1] + box[3] <= static_cast<double>(h) && area <= box[2] * box[3],
           "a box within the image");
  } catch (const std::invalid_argument&) {
    expect(!counts.has_value() || h < 0 || w < 0 || (h != 0 && w > 0xffffffffll / h) || sum != h * w,
           "runs that are a mask");
  }
}

}  // namespace

void run(Input& input) {
  const std::int64_t kind = input.below(8);
  const std::int64_t h = input.pick<std::int64_t>({0, 1, 3, 64, 65536, 0xffffffffll, -1, std::int64_t{1} << 62}),
                     w = input.pick<std::int64_t>({0, 1, 5, 64, 65535, 0xffffffffll, -1, std::int64_t{1} << 62});
  Bytes header;
  for (int i = 0; i < 24; ++i) header.push_back(input.byte());
  const std::string text = any_text(input);
  const auto wanted = read_literally(text);
  at_every_level("counts", [&] {
    expect(read(text) == wanted, "counts");
    return true;
  });
  if (kind < 2) measure_anything(text, h, w);
  if (!wanted.has_value()) return;
  at_every_level("text", [&] {
    const std::string again = write(*wanted);
    expect(again == write_literally(*wanted), "text");
    expect(read(again) == wanted, "counts read again");
    return true;
  });
  if (kind < 3) {
    Input masks(header.data(), header.size());
    compare_masks(masks, *wanted);
  }
}

}  // namespace rapidmask::fuzz
