// SPDX-License-Identifier: Apache-2.0
// size_spec.h - sizes as administrators write them: 512MiB, 20G, 1.5T. Units are powers of 1024, with or without "iB".
#pragma once

#include <cstdint>
#include <string_view>

#include "common/result.h"

namespace stasis {

// A lone number is refused, but for 0: whoever writes 64 may mean bytes or megabytes.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace stasis
