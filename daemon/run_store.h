// SPDX-License-Identifier: Apache-2.0
// run_store.h - where a run's checkpoints are: in the site's store, or where its user wants them (--checkpoint-dir).
#pragma once

#include "common/store.h"
#include "daemon/run.h"

namespace stasis {

// Blocks on the user database for a directory of the user's: call it in a worker.
CheckpointStore store_of(const Run& run, const CheckpointStore& site);

}  // namespace stasis
