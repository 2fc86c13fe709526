// SPDX-License-Identifier: Apache-2.0
// verbs.h - what `stasis VERB` does. Each prints its answer to stdout and gives back what went wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "cli/view.h"
#include "common/config.h"
#include "common/result.h"

namespace stasis {

// Asks the stasisd of this node, which knows whose job it is and who asks. Returns when the checkpoint is published.
Result<void> checkpoint_job(const Config& config, std::uint32_t job, bool requeue, const View& view);
// The same for every protected job here, each of which is requeued. `node` must be this one; empty: it is.
Result<void> evacuate_node(const Config& config, const std::string& node, const View& view);

// Jobs that slurmctld has requeued because their node died wait two minutes for nothing. Finds those with a checkpoint
// on one of `nodes`, a Slurm node list, and makes them eligible now.
Result<void> node_down(const Config& config, const std::string& nodes);

// May a job of that partition (empty: of any) be checkpointed at that interval? Prints why not: for the plugin.
bool judge_interval(const Config& config, const std::string& every, const std::string& partition);

// Removes checkpoints that no job needs any more, untouched for `idle`: what the daemons do once a day.
Result<void> prune_store(const Config& config, std::chrono::seconds idle, const View& view);

Result<void> print_key(const std::string& id);

}  // namespace stasis
