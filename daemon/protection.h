// SPDX-License-Identifier: Apache-2.0
// protection.h - what the policy makes of a task that starts.
#pragma once

#include "common/config.h"
#include "common/policy.h"
#include "common/task_facts.h"

namespace stasis {

// The job runs already, so a wish beyond the site's limits is fulfilled as far as they go.
Result<Decision> decide_for_task(const Config& config, const TaskFacts& facts);

}  // namespace stasis
