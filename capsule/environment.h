// SPDX-License-Identifier: Apache-2.0
// environment.h - what Slurm tells a task of its run, for a program that goes on and has the variables of another run.
#pragma once

#include <string>

namespace stasis {

// Lines that a shell reads: export SLURM_JOB_NODELIST='n2'; and kOriginVariable, if there is one. More than `limit`
// bytes of them are none at all.
std::string slurm_variables(char** environment, std::size_t limit);

}  // namespace stasis
