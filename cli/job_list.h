// SPDX-License-Identifier: Apache-2.0
// job_list.h - protected jobs, put together from those who each know a part: Slurm's queue, the daemon of this machine,
// and the store. Pure.
#pragma once

#include <ctime>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/slurm_queue.h"
#include "cli/view.h"
#include "common/message.h"
#include "common/stored_checkpoint.h"

namespace stasis {

struct ListedJob {
  QueuedJob job;
  std::uint32_t number = 0;  // of the last checkpoint; 0: there is none yet
  std::time_t made_at = 0;
  std::uint64_t bytes = 0;  // rounded where only Slurm's comment tells it
  std::optional<std::size_t> generations;
  std::optional<std::time_t> next_due;
  std::optional<std::int64_t> at_risk;  // seconds; nullopt: it does not run
  std::string trouble;
};

// `runs`: the daemon's "run" messages. `stored`: nullopt where the store could not be read. Jobs that nobody knows to
// be protected are left out; those of which only the store knows, too: they are over.
std::vector<ListedJob> put_together(const std::vector<QueuedJob>& queue, const std::vector<Message>& runs,
                                    const std::optional<std::map<JobId, std::size_t>>& stored, std::time_t now);

Json to_json(const ListedJob& job);

}  // namespace stasis
