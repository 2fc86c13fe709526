// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <unistd.h>

#include <limits>
#include <thread>

#include "cli/caller.h"
#include "cli/verbs.h"
#include "common/janitor.h"

namespace stasis {
Result<void> prune_store(const Config& config, std::chrono::seconds idle, const View& view) {
  if (::geteuid() != 0) return fail(ErrorKind::denied, "prune: only root may look into everybody's checkpoints");
  STASIS_LET(Keys keys, Keys::load(config.key_file));
  Scontrol slurm(config.scontrol);
  STASIS_LET(const std::string cluster, cluster_name(config));
  JanitorRules rules;
  rules.idle_for = idle;
  rules.most = std::numeric_limits<int>::max();
  const auto report = clean_store(CheckpointStore(config.store, std::move(keys)), cluster, slurm, rules,
                                  [](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); });
  if (view.json) {
    print_json({{"removed", report.removed}, {"kept", report.kept}, {"failed", report.failed}}, {});
  } else {
    fmt::print("removed the checkpoints of {} jobs, kept those of {}\n", report.removed, report.kept);
  }
  if (report.failed > 0)
    return fail(ErrorKind::failed, "prune: " + std::to_string(report.failed) + " failed: " + report.why);
  return {};
}

}  // namespace stasis
