// SPDX-License-Identifier: Apache-2.0
// running_memory.h - the memory of a tree that runs, read so that there is little left to do when it stands still. A
// copy of nothing: what is written to meanwhile is found different then, or found written to.
#pragma once

#include <vector>

#include "common/capsule_processes.h"
#include "common/page_capture.h"
#include "common/result.h"
#include "daemon/known_memory.h"

namespace stasis {

// Stores what is new of it. What cannot be read is left for later.
void learn_memory(const std::vector<CapsuleProcess>& tree, PageCapture& capture);

// The same, where the kernel tracks memory: from now on, and what it has is known. Needs the directory of the images
// for files without a name.
Result<KnownMemory> know_memory(const std::vector<CapsuleProcess>& tree, PageCapture& capture, int images);

// Bytes that the tree has in memory, and how many of them are not known or were written to since.
struct MemoryWritten {
  std::uint64_t all = 0;
  std::uint64_t written = 0;
};
Result<MemoryWritten> written_since(const std::vector<CapsuleProcess>& tree, const KnownMemory& known);

}  // namespace stasis
