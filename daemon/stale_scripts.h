// SPDX-License-Identifier: Apache-2.0
// stale_scripts.h - batch scripts that Slurm left in its spool directory when this node lost power. slurmstepd does not
// write over one: a job that comes back to the node, to go on here, would be held as one whose launch has failed.
#pragma once

#include <ctime>
#include <set>
#include <string>

namespace stasis {

// When this node's first process was started.
std::time_t node_started();

// What slurm.conf says, for this node: "%h" and "%n" are its name.
std::string spool_of_this_node(std::string slurmd_spool_dir);

// Removes job*/slurm_script below `spool` that are older than `started`, but for jobs that a slurmstepd is at work on.
// Returns how many.
int remove_stale_scripts(const std::string& spool, std::time_t started);

// "slurmstepd: [812.batch]": the job's id; empty: none of those.
std::string job_of_slurmstepd(const std::string& command_line);

}  // namespace stasis
