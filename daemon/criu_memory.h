// SPDX-License-Identifier: Apache-2.0
// criu_memory.h - what CRIU's images say about memory: which pages of a process belong to an image, and how long the
// processes stood still.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/memory_range.h"
#include "common/result.h"

namespace stasis {

struct PagemapRange : MemoryRange {
  bool known = false;  // not in the image: those that criu was told of, and that were not written to since
  friend bool operator==(const PagemapRange&, const PagemapRange&) = default;
};

struct CriuPagemap {
  std::string image;                   // "pages-1.img", which has the pages
  ScratchVector<PagemapRange> ranges;  // all that the process has, by rising address; in the image one behind the other
};

Result<CriuPagemap> parse_criu_pagemap(std::string_view image);
// The same, with all of its pages in the image.
Result<std::string> complete_criu_pagemap(std::string_view image);

// What criu takes for a dump from before: an inventory, which says when that was made, and the pagemap of each process.
std::string write_criu_pagemap(std::uint32_t pages_id, const MemoryRanges& ranges);
std::string write_criu_inventory(std::chrono::microseconds uptime);

// From stats-dump.
Result<std::chrono::microseconds> parse_frozen_time(std::string_view image);

// The process whose "pagemap-812.img" that is, as it sees itself; nullopt: it is no process's.
std::optional<int> pagemap_of_process(std::string_view name);

}  // namespace stasis
