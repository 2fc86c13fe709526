// SPDX-License-Identifier: Apache-2.0
// steps_first.h - a script that waits for srun leaves its node after its steps have left.
//
// srun cannot be dumped, so its script cannot be either; its steps' tasks are, each for itself. When the job has to go,
// what they still print has to get through srun, and the script must do nothing about their end: it is held still.
#pragma once

#include <sys/types.h>

#include <vector>

#include "common/capsule_processes.h"
#include "common/deadline.h"
#include "common/result.h"

namespace stasis {

bool is_srun(pid_t pid);
// Is there one in the tree?
bool waits_for_srun(const std::vector<CapsuleProcess>& tree);

// Stops who waits for an srun, waits until each srun, and what reads its output, has ended, and ends the tree.
// timed_out: an srun goes on; everything runs as before.
Result<void> end_after_steps(const std::vector<CapsuleProcess>& tree, Deadline deadline);

}  // namespace stasis
