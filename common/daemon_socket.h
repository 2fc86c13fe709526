// SPDX-License-Identifier: Apache-2.0
// daemon_socket.h - the way to stasisd, for everybody who has something to ask it.
#pragma once

#include "common/deadline.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

// A connection to the stasisd of this node, close-on-exec. Believed only if root listens there.
// not_found, or lost: no stasisd runs here. timed_out: one that does not accept.
Result<UniqueFd> connect_to_daemon(const char* path, Deadline deadline);

}  // namespace stasis
