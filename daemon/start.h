// SPDX-License-Identifier: Apache-2.0
// start.h - how a run begins: from scratch, from a checkpoint, or not at all. Runs in a worker.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "common/message.h"
#include "common/slurm_client.h"
#include "common/store.h"
#include "daemon/run.h"
#include "daemon/worker.h"

namespace stasis {

inline constexpr char kUnfit[] = "unfit";

// Generations that this run tried in vain, and why criu could not restore them; empty: not looked at yet.
using FailedRestores = std::map<std::uint32_t, std::string>;

// Tells, over `line`, what is to become of the run, and returns when that is under way. All is ready for a restore then
// of the newest generation that is whole and not in `failed`: fetched and verified, the job's files rolled back, /tmp
// and /dev/shm in place. But its memory is fetched and verified while criu restores it, if that is to `stream`. Each
// answer has `why` the last of `failed` did not restore, and how long all that `took_ms`.
//
//   fresh (first_start, excluded)          there never was a checkpoint, or the user wants a restart
//   restore (argv..., closed..., root, number, first_start, excluded, directory, made_at, node, origin?)
//                                          closed: the connections to the outside that it goes on without;
//                                          origin: the job whose checkpoint it is, if that is another
//   hold (reason, text, first_start, excluded, origin?)
//                                          there is or may be one, and it cannot be used; reason "busy": not just now;
//                                          "unfit": on no node with such a processor
// Returns "handed_over" (error?) then: why criu did not get all of the memory.
Message prepare_start(const Run& run, const FailedRestores& failed, bool stream, const Config& config,
                      const CheckpointStore& store, SlurmClient& slurm, const WorkerLine& line);

}  // namespace stasis
