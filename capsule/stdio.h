// SPDX-License-Identifier: Apache-2.0
// stdio.h - makes stdin, stdout and stderr belong to the capsule's mount namespace.
//
// slurmstepd opened them outside, and CRIU looks a file up by the mount it was opened on. Run by the payload's future
// root, in the capsule and as the job's user.
#pragma once

namespace stasis {

// Reopens each of 0..2 that is a file with a path, with the same flags and offset. What is a pipe, a deleted file or a
// path that leads elsewhere by now is left as it is; so is what the user may not open again.
void reopen_stdio() noexcept;

}  // namespace stasis
