// SPDX-License-Identifier: Apache-2.0
// daemon_question.h - one question to the stasisd of this machine, and all of its answer.
#pragma once

#include <vector>

#include "common/config.h"
#include "common/message.h"
#include "common/result.h"

namespace stasis {

// not_found, or lost: no stasisd runs here. failed: it refuses, with its sentence.
Result<std::vector<Message>> ask_daemon(const Config& config, const Message& question);

// Whether that means that there is no daemon on this machine to be asked: as on a login node.
bool is_without_daemon(const Error& error);

}  // namespace stasis
