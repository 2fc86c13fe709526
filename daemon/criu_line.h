// SPDX-License-Identifier: Apache-2.0
// criu_line.h - the socket among a checkpoint's images over which criu says, with --stream, which image it opens: one
// message for each, and a pipe.
#pragma once

#include <optional>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

// Criu's names for it.
inline constexpr char kDumpSocket[] = "streamer-capture.sock";
inline constexpr char kRestoreSocket[] = "streamer-serve.sock";

// Where criu will look for it; `images` is the open directory. What accepts there does not block.
Result<UniqueFd> listen_for_criu(int images, const char* name);
// Of whoever knocked. Nobody, after all: none.
Result<UniqueFd> accept_criu(int listener);

// The image that is opened; nullopt: criu has hung up. To be called when there is something to read.
Result<std::optional<std::string>> hear_of_image(int criu);
Result<UniqueFd> receive_pipe(int criu);
// So that criu and whoever is at the other end of that pipe wait for each other as seldom as can be.
void widen(int pipe);
// Of a restore, between the two: whether there is such an image.
Result<void> answer_criu(int criu, bool exists);

}  // namespace stasis
