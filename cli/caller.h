// SPDX-License-Identifier: Apache-2.0
// caller.h - what of the store this caller can see: root all of it, with the key; a user through the daemon of this
// machine, which knows him by the kernel's word.
#pragma once

#include <string>
#include <vector>

#include "common/checkpoint_name.h"
#include "common/config.h"
#include "common/job_ref.h"
#include "common/result.h"
#include "common/stored_checkpoint.h"

namespace stasis {

// The cluster's name in the store: the configuration's, or else slurmctld's.
Result<std::string> cluster_name(const Config& config);

// What the store has of the job. Root may read it everywhere where store and key are. not_found: there is nothing.
// lost: no stasisd runs here, which a user has to ask.
Result<std::vector<StoredCheckpoint>> look_up(const Config& config, const CheckpointName& name, LookAt how_far);

// For root: the jobs of that id in the store, whoever's. not_found: there are none.
Result<std::vector<JobKey>> jobs_in_store(const CheckpointStore& store, const std::string& cluster, JobId job);

}  // namespace stasis
