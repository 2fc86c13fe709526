// SPDX-License-Identifier: Apache-2.0
// script_peek.h - looks at a script that comes through a pipe (`generate | sbatch`) and leaves it there for sbatch.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace stasis {

// What waits in the pipe or socket `fd`: at least all lines in which sbatch looks for options, which end with the first
// command. nullopt: they did not come within `patience`, or `fd` is neither.
std::optional<std::string> peek_script(int fd, std::chrono::milliseconds patience);

}  // namespace stasis
