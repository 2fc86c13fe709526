// SPDX-License-Identifier: Apache-2.0
// new_job.h - a new job that goes on from a checkpoint of an old one: what of the old one sbatch has to be told again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/view.h"
#include "common/checkpoint_name.h"
#include "common/config.h"
#include "common/result.h"

namespace stasis {

// The options of sbatch that the fields of a job's record stand for: its name, where it runs and how long, what it
// reads and writes, and what it may use. Not what a requeue may have changed, and nothing that Slurm chose itself.
std::vector<std::string> sbatch_options(const std::map<std::string, std::string>& job);

// Submits the old job's script with the caller's own rights and environment. `more`: options of sbatch that count more
// than those of the old job. not_found: Slurm has forgotten the old one; the message is what to type then.
Result<void> submit_new_job(const Config& config, const CheckpointName& from, const std::vector<std::string>& more,
                            const View& view);

}  // namespace stasis
