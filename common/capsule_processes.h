// SPDX-License-Identifier: Apache-2.0
// capsule_processes.h - which processes live in a capsule, as the node sees them and as they see themselves.
#pragma once

#include <sys/types.h>

#include <vector>

#include "common/result.h"

namespace stasis {

struct CapsuleProcess {
  pid_t host = 0;    // here
  pid_t inside = 0;  // in the capsule's PID namespace
  pid_t parent = 0;  // here

  friend bool operator==(const CapsuleProcess&, const CapsuleProcess&) = default;
};

// Everything in the PID namespace whose first process is `init` (here), init itself included.
Result<std::vector<CapsuleProcess>> capsule_processes(pid_t init);

// Of those, the tree below the process that is `root` inside, the root first. Empty: there is no such process.
std::vector<CapsuleProcess> tree_of(const std::vector<CapsuleProcess>& processes, pid_t root);

}  // namespace stasis
