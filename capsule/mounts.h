// SPDX-License-Identifier: Apache-2.0
// mounts.h - the capsule's own file systems: /proc of its PID namespace, private terminals, /tmp and
// /dev/shm, and kCapsuleDir.
#pragma once

#include <string>

#include "common/result.h"

namespace stasis {

struct CapsuleMounts {
  // The directory on the node's /tmp that holds the capsule's /tmp; its owner, root, removes it when the capsule has
  // ended. Empty: the job keeps the /tmp it had.
  std::string tmp_holder;
};

// Makes them all, in the caller's mount namespace, which must not propagate to anybody.
// keep_tmp: the job has a private /tmp and /dev/shm already, from Slurm's job_container plugin.
Result<CapsuleMounts> make_capsule_mounts(bool keep_tmp);

// What `text` is, for the job's programs to read at kCapsuleVariables.
Result<void> install_variables(const std::string& text);

// Puts the program that `source` is open on in the place of the capsule's anchor.
Result<void> install_anchor(int source);

}  // namespace stasis
