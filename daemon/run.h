// SPDX-License-Identifier: Apache-2.0
// run.h - one run of one protected task: from its capsule's birth to its end on this node. What workers need to know of
// it is here, as plain values.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/config.h"
#include "common/manifest.h"
#include "common/task_facts.h"

namespace stasis {

struct Run {
  TaskFacts facts;
  Protection protection;
  JobKey key;           // key.first_start is 0 until it is known
  std::string part;     // of the job, in the store
  pid_t init = 0;       // here
  int init_pidfd = -1;  // names init beyond doubt
  pid_t root = 0;       // of the payload's tree, in the capsule
  std::string tmp_holder;
  bool keeps_tmp = false;
  std::string excluded;   // the user's own ExcNodeList
  bool restored = false;  // it goes on from a checkpoint
  bool left = false;      // it was ended by us, with a checkpoint to go on from
  bool follows = false;   // a step of a script that is protected here, too: that one speaks with Slurm about the job

  std::string name() const { return facts.name(); }
};

// "batch", or "0.3" for task 3 of step 0.
inline std::string part_of(const TaskFacts& facts) {
  if (facts.step == kBatchStep) return "batch";
  return std::to_string(facts.step) + "." + std::to_string(facts.task);
}

// To resume a job before it is held: on the first node, and two others.
inline constexpr int kRestoreAttempts = 3;

// Where the run's images are on this node, on their way to the store or back. Its own: an earlier run of the same task
// may still be cleared away.
inline std::string local_directory(const Config& config, const TaskFacts& facts) {
  return config.local + "/" + std::to_string(facts.job) + "." + part_of(facts) + "." + std::to_string(facts.restarts);
}

}  // namespace stasis
