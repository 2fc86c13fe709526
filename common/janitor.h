// SPDX-License-Identifier: Apache-2.0
// janitor.h - removes checkpoints that nobody else will: of jobs that were cancelled while they waited to go on, or
// whose node died at their end.
//
// Any number of nodes may do it at once, and it may be cut off at any moment: a removal begins with a rename, and
// whoever comes next finishes it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "common/slurm_client.h"
#include "common/store.h"

namespace stasis {

struct JanitorRules {
  // Younger ones may belong to a job that slurmctld has not heard of yet, or forgets between two runs.
  std::chrono::seconds idle_for{std::chrono::hours(24)};
  // Jobs that one round removes at most, and the pause before each: a file system and a slurmctld have more to do.
  int most = 100;
  std::chrono::milliseconds pause{200};
};

struct JanitorReport {
  int removed = 0;
  int kept = 0;    // Slurm knows them, or they are young
  int failed = 0;  // `why` tells of the last one
  std::string why;
};

// One round over the store. Ends early when slurmctld is away: what is not known to be over is not touched.
// `wait` is called for each pause.
JanitorReport clean_store(const CheckpointStore& store, const std::string& cluster, SlurmClient& slurm,
                          const JanitorRules& rules, const std::function<void(std::chrono::milliseconds)>& wait);

}  // namespace stasis
