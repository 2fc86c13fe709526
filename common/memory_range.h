// SPDX-License-Identifier: Apache-2.0
// memory_range.h - pages one behind the other in a process's memory, and lists of such ranges.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/scratch_memory.h"

namespace stasis {

inline constexpr std::size_t kPageSize = 4096;

struct MemoryRange {
  std::uint64_t address = 0;
  std::uint64_t pages = 0;

  std::uint64_t end() const { return address + pages * kPageSize; }
  friend bool operator==(const MemoryRange&, const MemoryRange&) = default;
};

// In the order of their addresses. A process may have as many as pages.
using MemoryRanges = ScratchVector<MemoryRange>;

// Behind all that are there.
inline void append(MemoryRanges& ranges, const MemoryRange& next) {
  if (!ranges.empty() && ranges.back().end() == next.address) {
    ranges.back().pages += next.pages;
  } else {
    ranges.push_back(next);
  }
}

// Takes up to that many pages from the front of a range.
inline MemoryRange take_front(MemoryRange& range, std::uint64_t most) {
  const MemoryRange front{range.address, range.pages < most ? range.pages : most};
  range = {front.end(), range.pages - front.pages};
  return front;
}

}  // namespace stasis
