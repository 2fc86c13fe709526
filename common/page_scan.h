// SPDX-License-Identifier: Apache-2.0
// page_scan.h - what the kernel tells of the pages of a process, by its /proc/PID/pagemap: which it has, which of them
// were written to since somebody asked it to begin to tell ("soft-dirty"), and which frame of the machine's memory each
// is in. Documentation/admin-guide/mm/pagemap.rst and soft-dirty.rst in Linux.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/memory_range.h"
#include "common/result.h"

namespace stasis {

enum class Pages {
  all,      // in memory or swapped out, not of a file
  written,  // of those
};
// Adds those between the two addresses; not pages of nothing but zeros, where the kernel tells (Linux 6.7 or later).
Result<void> scan_pages(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which, MemoryRanges& ranges);
// The same on an older one, which knows no better way than page by page. Of more than 256 GiB between the two, of which
// hardly any can be in memory, nothing is told.
Result<void> scan_pages_one_by_one(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which,
                                   MemoryRanges& ranges);

// 0: it is in none, or nobody may know. Two zeros are not the same.
using Frame = std::uint64_t;
Result<void> read_frames(int pagemap, std::uint64_t address, std::size_t pages, Frame* into);

// From now on it tells which pages of the process whose /proc/PID/clear_refs that is are written to.
Result<void> forget_writes(int clear_refs);

// It can do all of that. Tries it with the caller's own memory.
bool kernel_tracks_memory();

}  // namespace stasis
