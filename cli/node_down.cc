// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <set>

#include "cli/verbs.h"
#include "common/checkpoint_comment.h"
#include "common/slurm_client.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

}  // namespace

Result<void> node_down(const Config& config, const std::string& nodes) {
  Scontrol slurm(config.scontrol);
  const Deadline deadline = Deadline::in(kSlurmAnswers);
  STASIS_LET(const auto names, slurm.host_names(nodes, deadline));
  const std::set<std::string> down(names.begin(), names.end());
  STASIS_LET(const auto jobs, slurm.held_back(deadline));
  Result<void> outcome;
  for (const auto& job : jobs) {
    const auto comment = parse_checkpoint_comment(job.admin_comment);
    if (!comment || down.count(comment->node) == 0) continue;
    const auto updated = slurm.update(job.ref, {"StartTime=now"}, deadline);
    if (updated) {
      fmt::print("job {}: eligible now, to go on from checkpoint {}\n", job.ref.name, comment->number);
    } else {
      outcome = updated;
    }
  }
  return outcome;
}

}  // namespace stasis
