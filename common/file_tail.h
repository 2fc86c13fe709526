// SPDX-License-Identifier: Apache-2.0
// file_tail.h - tells whether what precedes the end of an appended file is still what it was, by its last bytes.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace stasis {

// The SHA-256 of the last 4 KiB before `end` (of what there is of them). Empty: the file is shorter than `end`.
Result<std::string> tail_digest(int fd, std::uint64_t end);

}  // namespace stasis
