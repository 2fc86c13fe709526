// SPDX-License-Identifier: Apache-2.0
// images_file.h - files of ours beside CRIU's, in the directory of a checkpoint's images, which `images` is open on.
// AT_FDCWD with a whole path does for those in the directory of a run.
#pragma once

#include <cstddef>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

// Replaces what is there.
Result<void> write_images_file(int images, const std::string& name, const std::string& text);
Result<std::string> read_images_file(int images, const std::string& name);

// For more than one likes to have in memory. There must be none of that name yet.
Result<UniqueFd> new_images_file(int images, const std::string& name);
// One that is gone when it is closed.
Result<UniqueFd> nameless_images_file(int images);
// To be read.
Result<UniqueFd> open_images_file(int images, const std::string& name);

}  // namespace stasis
