// SPDX-License-Identifier: Apache-2.0
// signal_checkpoint.h - has a run's program write a checkpoint of its own, by the signal and in the time that its user
// named. Runs in a worker, top to bottom; beside checkpoint.h, for jobs of --checkpoint-method=signal.
//
// When the run is to end, whatever waits for the program is held still, so that neither its end nor the script's is
// taken for the job's: Slurm has the job back in its queue first. Until then every failure lets all of it go on.
#pragma once

#include "common/message.h"
#include "common/slurm_client.h"
#include "daemon/checkpoint.h"
#include "daemon/worker.h"
#include "daemon/worker_clock.h"

namespace stasis {

// "signalled" (processes, took_ms), "left" (text: after its steps) or "skipped" (reason, text). On the way "say" (text)
// for the job's output, "leaving" when there is no way back but after a failure, and "kill" for init.
Message make_signal_checkpoint(const CheckpointOrder& order, const Config& config, SlurmClient& slurm,
                               const WorkerLine& line, WorkerClock& clock);

// After a worker that died: what it may have held still goes on. Not while one is at it.
void let_go_on(const Run& run, const Config& config);

}  // namespace stasis
