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

#include "common/result.h"

namespace stasis {

// Pages one behind the other in a process's memory.
struct MemoryRange {
  std::uint64_t address = 0;
  std::uint64_t pages = 0;
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

struct CriuPagemap {
  std::string image;                // "pages-1.img", which has the pages
  std::vector<MemoryRange> ranges;  // all that are in it, in their order there
};

Result<CriuPagemap> parse_criu_pagemap(std::string_view image);

// From stats-dump.
Result<std::chrono::microseconds> parse_frozen_time(std::string_view image);

// The process whose "pagemap-812.img" that is, as it sees itself; nullopt: it is no process's.
std::optional<int> pagemap_of_process(std::string_view name);

}  // namespace stasis
