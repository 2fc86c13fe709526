// SPDX-License-Identifier: Apache-2.0
// io_uring_filter.h - makes io_uring unavailable to this process and all it will start, for good. No dump can carry it,
// and programs that use it (node.js, PostgreSQL) do without where a kernel has none: so for them it has none.
#pragma once

#include "common/result.h"

namespace stasis {

// io_uring_setup() answers ENOSYS from now on. As root: it needs no no_new_privs, which would take set-user-id programs
// from the job.
Result<void> deny_io_uring();

}  // namespace stasis
