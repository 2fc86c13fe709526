// SPDX-License-Identifier: Apache-2.0
// memory_use.h - how much of a tree's memory a dump has to write, about.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/capsule_processes.h"
#include "common/result.h"

namespace stasis {

// From /proc/PID/smaps_rollup: what is in no file, shared memory divided among those who share it, swap included.
Result<std::uint64_t> parse_smaps_rollup(std::string_view text);

// Of all of them together, in bytes. A process that cannot be read, or has just ended, counts nothing.
std::uint64_t memory_to_dump(const std::vector<CapsuleProcess>& tree);

// What the node has left for whoever wants it, in bytes; 0: nobody knows.
std::uint64_t available_memory();

}  // namespace stasis
