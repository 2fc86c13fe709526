// SPDX-License-Identifier: Apache-2.0
// slurm_command.h - runs one of Slurm's commands with this user's rights.
#pragma once

#include <string>
#include <vector>

#include "common/config.h"
#include "common/result.h"

namespace stasis {

// What it prints. `name`: squeue, scontrol...; it is looked for where scontrol is. Times come as seconds since the
// epoch.
Result<std::string> run_slurm(const Config& config, const std::string& name, std::vector<std::string> arguments);

}  // namespace stasis
