// SPDX-License-Identifier: Apache-2.0
// memory_tracking.h - which pages of a process were written to since a moment, as far as the kernel remembers it
// (common/page_scan.h).
//
// The kernel has one such moment per process, for whoever asks. A program that looks at its own pages in this way, as a
// garbage collector may, would miss what was written before we asked, and we what was written before it did. So there
// is a mark: the last page of the stack, which a process finds written to when it begins, which hardly any writes to
// again, and which we write to whenever we have asked. Where it does not tell of that, somebody else has asked.
//
// And the kernel forgets: where mremap() moves a mapping by whole page tables, the pages are not written to where they
// are now, and others were there before. So a page is the same one only if it is in the same frame of the machine's
// memory, too.
#pragma once

#include <vector>

#include "common/capsule_processes.h"
#include "common/deadline.h"
#include "common/page_scan.h"
#include "common/result.h"
#include "daemon/process_memory.h"

namespace stasis {

// From now on writes to its memory count. The caller marks it then: what fails in between leaves it unmarked for good.
Result<void> begin_tracking(const ProcessMemory& memory);
// Leaves the mark. The process may run.
Result<void> mark_tracked(const ProcessMemory& memory);
// Nobody has asked but us, or nobody at all.
bool is_ours_to_track(const ProcessMemory& memory);

// Of its private memory, by rising address.
Result<MemoryRanges> tracked_pages(const ProcessMemory& memory, Pages which);

// What was on its way from a device into the tree's memory when this was called has arrived: the kernel sees no writes
// but those by processors. timed_out: not all of it.
Result<void> wait_for_transfers(const std::vector<CapsuleProcess>& tree, Deadline deadline);

}  // namespace stasis
