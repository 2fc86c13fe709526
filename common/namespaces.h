// SPDX-License-Identifier: Apache-2.0
// namespaces.h - runs something inside of a capsule, from outside.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "common/result.h"

namespace stasis {

enum class Enter {
  mounts,           // the capsule's files
  mounts_and_pids,  // and its processes. Not its IPC objects: CRIU dumps those only from outside
};

// Forks a child that enters the capsule of `init_pidfd`, prepares itself and executes `argv` with a clean environment,
// stdin from /dev/null and `output` as stdout and stderr. Returns the pid here, to be waited for. The `pass` pairs are
// (descriptor here, number there); everything else is closed. When the capsule cannot be entered the child exits 126.
struct Pass {
  int from;
  int to;
};
Result<pid_t> spawn_in_capsule(int init_pidfd, Enter enter, const std::vector<std::string>& argv, int output,
                               const std::vector<Pass>& pass);

// Calls `work` in a child inside the capsule's mount namespace and gives back what it returned, 0 to 100.
// not_found: the capsule is gone. failed: `work` died or threw.
Result<int> call_in_capsule(int init_pidfd, const std::function<int()>& work);

}  // namespace stasis
