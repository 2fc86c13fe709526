// SPDX-License-Identifier: Apache-2.0
// read_file.h - the whole of a small file.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.h"

namespace stasis {

// Everything there is to read at `path`; works for /proc, where files have no size. More than `limit` bytes is an
// error, never a cut. Follows symbolic links: for paths that no user can change.
Result<std::string> read_file(const std::string& path, std::size_t limit = 1 << 20);

}  // namespace stasis
