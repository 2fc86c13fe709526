// SPDX-License-Identifier: Apache-2.0
// task.h - what the plugin does in the task's own process, between slurmstepd's fork and its execve.
#pragma once

extern "C" {
#include <slurm/spank.h>
}

namespace stasis {

// As root, before the task is placed: asks stasisd whether the task is to be protected, and if so makes a capsule: new
// PID, mount and IPC namespaces, with stasis-init as their first process. The task itself stays where it is; only its
// children will be inside. Whatever goes wrong here, the task runs, unprotected and with a line saying so.
void make_capsule(spank_t spank);

// As the user, in the task's final place: puts stasis-shim before the user's command if there is a capsule.
void put_shim_first(spank_t spank);

}  // namespace stasis
