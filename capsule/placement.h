// SPDX-License-Identifier: Apache-2.0
// placement.h - moves init to where the Slurm task was put after init was born: its cgroups and its processors.
#pragma once

#include <sched.h>
#include <sys/types.h>

#include <string_view>

#include "common/result.h"

namespace stasis {

// "0-3,8" -> a set. corrupt: not such a list.
Result<cpu_set_t> parse_cpu_list(std::string_view text);

// `pid` is a number of the PID namespace that /proc shows: init's own does not know it.
Result<void> take_placement_of(pid_t pid);

}  // namespace stasis
