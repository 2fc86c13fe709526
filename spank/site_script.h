// SPDX-License-Identifier: Apache-2.0
// site_script.h - what a batch script says that was written for a site's own `checkpointer`:
//
//   export SLURM_CHECKPOINT=0-0:45
//   checkpointer
//   program
//
// Such a script is submitted as before, and protected. It is read, line by line, and nothing of it is ever evaluated.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace stasis {

// The last value given to SLURM_CHECKPOINT before the first command `checkpointer`, as written and perhaps no time at
// all. nullopt: there is no such command, or nothing before it gives a value.
//
// Quotes, comments, `;`, `&` and `|` are understood within a line. Here-documents, conditions and lines that go on in
// the next one are not: what stands there counts as commands, too.
std::optional<std::string> checkpointer_interval(std::string_view script);

}  // namespace stasis
