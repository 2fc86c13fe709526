// SPDX-License-Identifier: Apache-2.0
// late_signals.h - signals of a job's own timers that came while criu was at it.
//
// criu notes which signals are pending, then copies the memory, then notes the timers. A timer that expires once, and
// does so in between, is over by then and its signal is in no image: where the job goes on, a program that waits for
// its alarm would wait for ever. So when criu has written all of it, and the tree still stands still, such signals are
// added. Signals of others are not: what Slurm has sent to a job that it ends is not for the job that goes on.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/result.h"

namespace stasis {

// Bit N - 1 is signal N.
struct PendingNow {
  std::uint64_t process = 0;
  std::map<pid_t, std::uint64_t> threads;  // by their ids within the job
};

// `cores`: the core images of one process by thread, `leader` being its first. Those that lack a signal of the
// process's timers get it; true: some did.
Result<bool> add_late_signals(std::map<pid_t, std::string>& cores, pid_t leader, const PendingNow& pending);

// In the images of a checkpoint, for all processes of the tree, which stands still.
Result<void> note_late_signals(const std::vector<CapsuleProcess>& tree, int images);

}  // namespace stasis
