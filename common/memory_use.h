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
// From /proc/PID/status: the same, shared memory whole, which the kernel knows without a look at each page. That takes
// it 17 ms for a gigabyte.
Result<std::uint64_t> parse_status_memory(std::string_view text);

// Of all of them together, in bytes, what they share counted once; where one has nearly all of it, what little the
// others have is not looked at so closely. A process that cannot be read, or has just ended, counts nothing.
std::uint64_t memory_to_dump(const std::vector<CapsuleProcess>& tree);

// What the node has left for whoever wants it, in bytes; 0: nobody knows.
std::uint64_t available_memory();

}  // namespace stasis
