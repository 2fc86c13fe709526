// SPDX-License-Identifier: Apache-2.0
// process_memory.h - reads the memory of another process.
#pragma once

#include <cstdint>
#include <vector>

#include "common/capsule_processes.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/criu_memory.h"

namespace stasis {

// Whatever becomes of the process, it is its memory that is read, and not that of one with the same pid later.
class ProcessMemory {
 public:
  // not_found: there is no such process (any more).
  static Result<ProcessMemory> open(const CapsuleProcess& process);

  // About those pages that a dump would have: nobody else's and in no file, in memory or swapped out. For a process
  // that runs, and to save work, not to rely on.
  Result<std::vector<MemoryRange>> own_pages() const;
  // All of it, whatever the process itself may do there.
  Result<void> read(std::uint64_t address, std::size_t size, char* into) const;

 private:
  ProcessMemory(UniqueFd process, UniqueFd memory) : process_(std::move(process)), memory_(std::move(memory)) {}

  UniqueFd process_;  // its directory in /proc
  UniqueFd memory_;
};

// Several ranges of a process, as if they were one.
class MemoryRanges {
 public:
  explicit MemoryRanges(std::vector<MemoryRange> ranges);

  std::uint64_t pages() const { return ends_.empty() ? 0 : ends_.back(); }
  // Those pieces of it that are its pages `first` to `first + count`.
  std::vector<MemoryRange> part(std::uint64_t first, std::uint64_t count) const;

 private:
  std::vector<MemoryRange> ranges_;
  std::vector<std::uint64_t> ends_;  // how many pages there are up to the end of each
};

}  // namespace stasis
