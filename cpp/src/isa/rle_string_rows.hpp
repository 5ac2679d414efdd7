// Counts to and from COCO's strings, one table per instruction level.
#pragma once

#include <cstdint>

namespace rapidmask {

struct RleStringRows {
  // Returns the end of the text; up to kRunSlack bytes past it may be written.
  char* (*write)(const std::uint32_t* counts, std::int64_t count, char* text);
  // Returns the number of counts, or -1 where the text is malformed. Reads nothing past its end.
  std::int64_t (*read)(const char* text, std::int64_t size, std::uint32_t* counts);
};

const RleStringRows& rle_string_rows();

}  // namespace rapidmask
