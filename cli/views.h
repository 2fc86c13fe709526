// SPDX-License-Identifier: Apache-2.0
// views.h - the verbs that show something. Each prints its answer to stdout, as text or as one JSON document
// (docs/formats/cli.md), and gives back what went wrong.
//
// Users see their own jobs, root all. What only another machine could answer is said in a note.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/view.h"
#include "common/config.h"
#include "common/job_ref.h"
#include "common/result.h"

namespace stasis {

// Protected jobs that are pending or run. `user`: only his; empty: the caller's, root's own question is for all.
Result<void> list_jobs(const Config& config, const std::string& user, bool all, const View& view);
// The life of one job: its runs, checkpoints and requeues.
Result<void> show_job(const Config& config, JobId job, const View& view);
// Reads every byte of checkpoints. corrupt: some cannot be used.
Result<void> verify_job(const Config& config, const std::string& name, const View& view);
// What the job's processes on this node have that no checkpoint can carry. unsupported: something.
Result<void> check_job(const Config& config, JobId job, const View& view);
// Every field of a file of ours, of a checkpoint's directory, or of JOB[:GEN].
Result<void> inspect(const Config& config, const std::string& what, const View& view);
// What the daemon of this node has said about a job since it was started.
Result<void> show_log(const Config& config, JobId job, const View& view);
// The daemon's counters.
Result<void> show_stats(const Config& config, const View& view);
// Whether this machine, and Slurm, are set up right. failed: something is bad.
Result<void> doctor(const Config& config, const View& view);

// Lets a job that is held, or that is over and whose checkpoints were kept, go on from its newest checkpoint or the one
// that `name` says (JOB:GEN). Later ones are set aside, not removed.
Result<void> restart_job(const Config& config, const std::string& name, const View& view);
// A new job goes on from there, submitted with `options` of sbatch's; the old one must be over.
Result<void> restart_as_new(const Config& config, const std::string& name, const std::vector<std::string>& options,
                            const View& view);

}  // namespace stasis
