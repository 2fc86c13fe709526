// SPDX-License-Identifier: Apache-2.0
// process_signal.h - signals for processes of a job, which may end, and whose pids may be another's, at any moment.
#pragma once

#include <sys/types.h>

#include "common/capsule_processes.h"

namespace stasis {

// To that process of that capsule, or to none. False: it is gone.
bool signal_process(const CapsuleProcess& process, int number);

// It does not run any more, whether its parent has seen that or not.
bool has_ended(pid_t host);

// Held still by SIGSTOP.
bool is_stopped(pid_t host);

}  // namespace stasis
