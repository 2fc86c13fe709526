// SPDX-License-Identifier: Apache-2.0
// options.h - what sbatch, srun and salloc learn to understand, and what the user said.
//
// One table for every context: Slurm carries the values from the submission to each task by itself. The callbacks may
// run several times for one value (22.05 does), and the last one counts.
#pragma once

extern "C" {
#include <slurm/spank.h>
}

#include "common/task_facts.h"

namespace stasis {

// From slurm_spank_init only. A Slurm error code, as the hook returns it.
int register_options(spank_t spank);

// What has been said so far in this process.
const Request& requested() noexcept;

// True once --checkpoint-every was given with anything but "off". Not by --checkpoint-from: that is about a script.
bool protection_requested() noexcept;

// The name under which Slurm takes an option of ours from the environment.
std::string option_variable(const char* option);

}  // namespace stasis
