// SPDX-License-Identifier: Apache-2.0
// run_lock.h - one operation at a time on a run, whichever daemon started it: held by the worker and by the criu it
// runs, released by the kernel when the last of them is gone.
#pragma once

#include <chrono>
#include <string>

#include "common/deadline.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

// Makes `directory`, for root only, and locks it. busy: somebody else has it, for as long as there was patience.
Result<UniqueFd> lock_run_directory(const std::string& directory, Deadline patience = Deadline::in({}));

// What another operation needs that is done but for writing down what it has learned, as a restore is when the job
// runs.
inline constexpr std::chrono::seconds kOthersEnd{5};

// Removes it with all it holds, for who has it locked.
void remove_locked_run_directory(const std::string& directory);

// An empty directory `name` below it, whatever was there before, open.
Result<UniqueFd> fresh_directory(const std::string& directory, const std::string& name);

}  // namespace stasis
