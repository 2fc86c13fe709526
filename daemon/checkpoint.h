// SPDX-License-Identifier: Apache-2.0
// checkpoint.h - makes one checkpoint of a run. Runs in a worker, top to bottom.
//
// The tree is frozen by criu, which then waits (in its hook) while the files are noted and copied. What follows depends
// on what the checkpoint is for; in every case a failure lets the tree run on as if nothing had been.
#pragma once

#include "common/message.h"
#include "common/slurm_client.h"
#include "common/store.h"
#include "daemon/run.h"
#include "daemon/worker.h"

namespace stasis {

enum class Afterwards {
  go_on,    // the tree goes on at once, publishing happens beside it
  requeue,  // publish, have Slurm requeue the job, then end the tree
  leave,    // Slurm has requeued the job, or will when it ends: publish, then end the tree
};

struct CheckpointOrder {
  Run run;
  Afterwards afterwards = Afterwards::go_on;
  std::string reason;  // interval, preempted, time_limit, requeued, requested
  // Of a script: protected steps of its job run here. If it waits for them when it has to leave, they go on where they
  // are and it starts again, or goes on from an earlier checkpoint.
  bool has_steps = false;
  // What Slurm leaves a job that it has requeued.
  std::chrono::seconds kill_wait{30};
};

// "checkpointed" (number, bytes, shared, known, frozen_us, took_ms, untracked: why nothing of the memory was taken for
// known in the end, and job_fields.h if slurmctld answered), "left" (text:
// without a checkpoint of its own, after its steps) or "skipped" (reason, text, number: it would have had). On the way
// "say" (text) for the job's output, and "released" once the tree goes on.
Message make_checkpoint(const CheckpointOrder& order, const Config& config, const CheckpointStore& store,
                        SlurmClient& slurm, const WorkerLine& line);

}  // namespace stasis
