// SPDX-License-Identifier: Apache-2.0
// expired_timers.h - periodic timers (timerfd) that had expired when the job was dumped, and had not been read.
//
// Such a timer has no next time until it is read, and criu, which finds none, restores one that never expires again: a
// program that waits for it would wait for ever. It gets its period as its next time.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace stasis {

// files.img with that done.
Result<std::string> rearm_expired_timers(std::string_view files_image);

// In the images of a checkpoint.
Result<void> rearm_expired_timers(int images);

}  // namespace stasis
