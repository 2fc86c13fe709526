// SPDX-License-Identifier: Apache-2.0
// view_verbs.h - the verbs of views.h on the command line.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "common/config.h"
#include "common/result.h"

namespace stasis {

using Action = std::function<Result<void>(const Config&)>;

// Adds them to `app`. The one that is called sets `action`; both outlive the parsing and what is set.
void add_view_verbs(CLI::App& app, Action& action);

}  // namespace stasis
