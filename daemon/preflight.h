// SPDX-License-Identifier: Apache-2.0
// preflight.h - is there anything in the tree that no dump can carry? Asked before each dump, while the tree still
// runs, and by `stasis check`.
#pragma once

#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/message.h"
#include "common/policy.h"
#include "common/result.h"
#include "daemon/run.h"

namespace stasis {

// unsupported: with the process, what it has, and what its user can do about it.
Result<void> preflight(const std::vector<CapsuleProcess>& tree, OutsideConnections connections);

// What may be the reason that criu could not dump the tree, as sentences behind `text`.
std::string explain_failed_dump(std::string text, const std::vector<CapsuleProcess>& tree,
                                OutsideConnections connections);

// For people: "checked" (name, part, processes, bytes) and an "obstacle" (name, process, program, object, advice,
// blocks) for each. lost: the capsule is gone.
Result<std::vector<Message>> check_run(const Run& run, OutsideConnections connections);

}  // namespace stasis
