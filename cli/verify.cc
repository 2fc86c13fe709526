// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "cli/caller.h"
#include "cli/checkpoint_json.h"
#include "cli/terminal.h"
#include "cli/views.h"
#include "common/log.h"

namespace stasis {

Result<void> verify_job(const Config& config, const std::string& name, const View& view) {
  STASIS_LET(const auto wanted, parse_checkpoint_name(name));
  STASIS_LET(const auto found, in_context("verify", look_up(config, wanted, LookAt::everything)));
  const auto damaged =
      std::count_if(found.begin(), found.end(), [](const auto& checkpoint) { return !checkpoint.damage.empty(); });
  if (view.json) {
    print_json({{"job", wanted.job}, {"whole", damaged == 0}, {"checkpoints", checkpoints_json(found)}}, {});
  } else {
    const auto terminal = Terminal::of_stdout();
    for (const auto& one : found) {
      const bool whole = one.damage.empty();
      fmt::print("job {} {} checkpoint {}{}: {}\n", one.job.job, printable(one.part), one.number,
                 one.aside ? " (set aside)" : "",
                 whole ? terminal.ink(Ink::good, "whole") + ", " + format_size(one.needed)
                       : terminal.ink(Ink::bad, "cannot be used: " + printable(one.damage)));
    }
  }
  if (damaged == 0) return {};
  return fail(ErrorKind::corrupt, fmt::format("verify: {} of {} checkpoints cannot be used", damaged, found.size()));
}

}  // namespace stasis
