// SPDX-License-Identifier: Apache-2.0
// slurm_queue.h - what Slurm's commands for users tell of jobs. Each call is one request.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "common/config.h"
#include "common/job_ref.h"
#include "common/result.h"

namespace stasis {

struct QueuedJob {
  JobId id = 0;
  std::string name;  // "812", or "46_4" of an array
  uid_t uid = 0;
  std::string user;
  std::string state;  // as squeue has it: PENDING, RUNNING, ...
  std::string reason;
  std::string node;
  std::time_t start = 0;  // 0: it does not run
  std::string admin_comment;
};

// squeue's columns, a line per job. Lines that are no such thing are left out.
std::vector<QueuedJob> parse_queue(const std::string& text);
// Every job that is pending or running. nullopt: of all users.
Result<std::vector<QueuedJob>> queued_jobs(const Config& config, std::optional<uid_t> user);

// One run of a job, between its start and a requeue or its end.
struct JobRun {
  std::string state;  // of its end, REQUEUED or COMPLETED say; RUNNING
  std::string node;
  std::time_t start = 0;
  std::time_t end = 0;  // 0: it runs
};

// sacct's lines; runs that never began are left out.
std::vector<JobRun> parse_runs(const std::string& text, JobId job);
// Oldest first. Needs Slurm's accounting.
Result<std::vector<JobRun>> runs_of(const Config& config, JobId job);

}  // namespace stasis
