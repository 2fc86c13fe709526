// SPDX-License-Identifier: Apache-2.0
// submit.h - what the plugin does inside sbatch, srun and salloc, before and after they read their options.
//
// A protected job should be requeueable and its output file should survive a restart, so both are asked for on the
// user's behalf, by the environment variables that sbatch itself reads. They count more than #SBATCH lines and less
// than the command line, so a wish of the user's is looked for first and never overridden.
#pragma once

#include <string>
#include <vector>

namespace stasis {

// From slurm_spank_init. Makes Slurm take our options from the environment: SLURM_CHECKPOINT as sites use it today,
// and SBATCH_, SRUN_ or SALLOC_ before the option's name (SBATCH_CHECKPOINT_EVERY, SRUN_REQUEUE_ON_CKPT, ...). For a
// batch script that calls `checkpointer` (site_script.h) --checkpoint-every and --requeue-on-ckpt are said by it. An
// srun in a script that goes on as another job gets that job's number.
void before_options();

// The words this program was called with.
std::vector<std::string> command_line();

// Whether this program is sbatch, and no srun or salloc.
bool submits_scripts();

// Whether --checkpoint-from is on its command line.
bool says_where_to_go_on();

// Whether an interval beyond the site's limits ends this program. Not where the script has said it to a site's tool,
// nor where a job that runs starts a step: scripts that ran before have to run, and the daemon keeps the limits.
bool limits_refuse();

// Has an effect until sbatch has read its environment; afterwards it is harmless.
void ask_for_append_and_requeue();

// From slurm_spank_init_post_opt: takes out of the environment what before_options() put there.
int after_options();

}  // namespace stasis
