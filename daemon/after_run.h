// SPDX-License-Identifier: Apache-2.0
// after_run.h - what remains to be done when a run has ended on this node. Runs in a worker.
#pragma once

#include "common/message.h"
#include "common/slurm_client.h"
#include "common/store.h"
#include "daemon/run.h"
#include "daemon/worker_clock.h"

namespace stasis {

// Waits until slurmctld has made up its mind about the job, asking seldom, and then
//   requeued:  makes it eligible at once and asks for another node, as the policy says;
//   done:      removes its checkpoints;
//   failed before it was resumed: has it requeued, some times;
//   otherwise (time limit, node failure): keeps them, for whoever requeues the job by hand.
// A slurmctld that is away is waited for, at each of these steps.
// Returns "after" (outcome).
Message finish_run(const Run& run, const Config& config, const CheckpointStore& store, SlurmClient& slurm,
                   WorkerClock& clock);

}  // namespace stasis
