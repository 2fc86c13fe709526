// SPDX-License-Identifier: Apache-2.0
#include "cli/caller.h"

#include <unistd.h>

#include <algorithm>

#include "cli/daemon_question.h"
#include "common/protocol.h"
#include "common/slurm_client.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

Result<std::vector<StoredCheckpoint>> ask(const Config& config, const CheckpointName& name, LookAt how_far) {
  Message question(verb::kStored);
  question.add("job", name.job);
  if (name.number) question.add("number", *name.number);
  if (how_far == LookAt::everything) question.add("deep", 1);
  auto answers = ask_daemon(config, question);
  if (!answers && is_without_daemon(answers.error())) {
    return fail(ErrorKind::lost,
                "only root, or the stasisd of a node, can read the store, and " + answers.error().message);
  }
  if (!answers) return fail(answers.error());
  std::vector<StoredCheckpoint> found;
  for (const auto& answer : *answers) {
    STASIS_LET(auto checkpoint, StoredCheckpoint::from_message(answer));
    found.push_back(std::move(checkpoint));
  }
  return found;
}

}  // namespace

Result<std::string> cluster_name(const Config& config) {
  if (!config.cluster.empty()) return config.cluster;
  Scontrol slurm(config.scontrol);
  STASIS_LET(const auto values, slurm.configuration(Deadline::in(kSlurmAnswers)));
  const auto name = values.find("ClusterName");
  if (name == values.end()) return fail(ErrorKind::failed, "slurmctld does not tell the cluster's name");
  return name->second;
}

Result<std::vector<JobKey>> jobs_in_store(const CheckpointStore& store, const std::string& cluster, JobId job) {
  STASIS_LET(auto jobs, store.all_jobs(cluster));
  std::erase_if(jobs, [job](const JobKey& key) { return key.job != job; });
  if (jobs.empty()) {
    return fail(ErrorKind::not_found, "no checkpoint of job " + std::to_string(job) + " is in the store");
  }
  std::sort(jobs.begin(), jobs.end(), [](const auto& a, const auto& b) { return a.first_start < b.first_start; });
  return jobs;
}

Result<std::vector<StoredCheckpoint>> look_up(const Config& config, const CheckpointName& name, LookAt how_far) {
  auto found = [&]() -> Result<std::vector<StoredCheckpoint>> {
    if (::geteuid() != 0) return ask(config, name, how_far);
    STASIS_LET(Keys keys, Keys::load(config.key_file));
    STASIS_LET(const std::string cluster, cluster_name(config));
    const CheckpointStore store(config.store, std::move(keys));
    STASIS_LET(const auto jobs, jobs_in_store(store, cluster, name.job));
    return stored_checkpoints(store, jobs, how_far, name.number);
  }();
  if (found && found->empty() && name.number) {
    return fail(ErrorKind::not_found, "job " + std::to_string(name.job) + " has no checkpoint " +
                                          std::to_string(*name.number) + " in the store");
  }
  return found;
}

}  // namespace stasis
