// SPDX-License-Identifier: Apache-2.0
// process_memory.h - reads the memory of another process.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/memory_range.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

struct Mapping {
  std::uint64_t begin = 0, end = 0;
  std::string rights;  // "r-xp"
  std::string name;    // of its file, or the kernel's word for it, "[stack]"; empty: it has none

  // Only the process itself sees changes of it.
  bool is_private() const { return rights.ends_with('p'); }
  // Where pages of its own are to be looked for. Where the kernel's time is read has no contents; and where nobody may
  // look hardly ever has.
  bool may_have_pages() const {
    return is_private() && !rights.starts_with("---") && !name.starts_with("[vvar") && name != "[vsyscall]";
  }
};

// Whatever becomes of the process, it is its memory that is read, and not that of one with the same pid later.
class ProcessMemory {
 public:
  // not_found: there is no such process (any more).
  static Result<ProcessMemory> open(const CapsuleProcess& process);

  // About those pages that a dump would have: nobody else's and in no file, in memory or swapped out. For a process
  // that runs, and to save work, not to rely on.
  Result<MemoryRanges> own_pages() const;
  Result<std::vector<Mapping>> mappings() const;
  // All of its private mappings that can be executed.
  Result<MemoryRanges> executable() const;
  // Whatever the process itself may do there.
  Result<void> read(std::uint64_t address, std::size_t size, char* into) const;
  // A file of its in /proc: "pagemap", "clear_refs".
  Result<UniqueFd> open_file(const char* name, int flags) const;

 private:
  ProcessMemory(UniqueFd process, UniqueFd memory) : process_(std::move(process)), memory_(std::move(memory)) {}

  UniqueFd process_;  // its directory in /proc
  UniqueFd memory_;
};

}  // namespace stasis
