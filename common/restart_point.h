// SPDX-License-Identifier: Apache-2.0
// restart_point.h - lets a job that does not run go on from a checkpoint of its user's choice instead of the last one.
#pragma once

#include <cstdint>
#include <vector>

#include "common/store.h"

namespace stasis {

// Checkpoint `number` of the job's script becomes the one it goes on from, and of each of its steps the last one made
// before that; later ones are set aside, not removed. 0: whatever is newest. Failed restores are forgotten, so that it
// is tried as often as if it were the first time. `jobs`: CheckpointStore::jobs(), not empty.
//
// All of the chosen one is read first. corrupt, unsupported: it cannot be used, and nothing was changed. not_found:
// there is none of that number. Cut off in the middle, it is to be called again.
Result<void> choose_restart_point(const CheckpointStore& store, const std::vector<JobKey>& jobs, std::uint32_t number);

}  // namespace stasis
