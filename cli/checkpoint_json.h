// SPDX-License-Identifier: Apache-2.0
// checkpoint_json.h - checkpoints in the store as docs/formats/cli.md has them.
#pragma once

#include <vector>

#include "cli/view.h"
#include "common/stored_checkpoint.h"

namespace stasis {

Json checkpoints_json(const std::vector<StoredCheckpoint>& checkpoints);

}  // namespace stasis
