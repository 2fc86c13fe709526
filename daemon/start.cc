// SPDX-License-Identifier: Apache-2.0
#include "daemon/start.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/cpu_features.h"
#include "common/criu_command.h"
#include "common/criu_log.h"
#include "common/log.h"
#include "common/protocol.h"
#include "daemon/job_files.h"
#include "daemon/job_memory.h"
#include "daemon/run_lock.h"
#include "daemon/socket_translation.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};

// The last one of that id that has something of this part: each part has begun at a time of its own.
Result<std::optional<JobKey>> find_job(const Run& run, const CheckpointStore& store) {
  STASIS_LET(const auto jobs, store.jobs(run.key.cluster, run.facts.uid, run.facts.job));
  for (auto job = jobs.rbegin(); job != jobs.rend(); ++job) {
    STASIS_LET(const auto generations, store.generations(*job, run.part));
    if (!generations.empty()) return *job;
  }
  return std::nullopt;
}

class Start {
 public:
  Start(const Run& run, FailedRestores failed, const Config& config, const CheckpointStore& store, SlurmClient& slurm)
      : run_(run), failed_(std::move(failed)), config_(config), store_(store), slurm_(slurm) {}

  Result<Message> prepare();
  // Of the job whose checkpoints were found; 0: none were.
  std::time_t first_start() const { return first_start_; }
  const std::string& why() const { return why_; }
  bool unfit() const { return unfit_; }
  const std::string& excluded() const { return excluded_; }

 private:
  void explain_last_failure(const std::string& directory);
  Result<Message> fresh();
  bool belong_here(const JobKey& key, const std::vector<Generation>& generations) const;
  Result<void> check_cpu(const Manifest& manifest);
  Result<Message> try_generation(const Generation& generation, const JobKey& key, int lock);

  const Run& run_;
  FailedRestores failed_;
  std::string why_;
  const Config& config_;
  const CheckpointStore& store_;
  SlurmClient& slurm_;
  std::time_t first_start_ = 0;
  std::string excluded_;  // of the checkpoint looked at last
  bool unfit_ = false;
};

Result<Message> Start::fresh() {
  Message message(verb::kFresh);
  message.add("first_start", std::time(nullptr));
  // What the user excluded himself, so that it is kept when a requeue excludes this node.
  const auto job = slurm_.job(run_.facts.ref(), Deadline::in(kSlurmAnswers));
  message.add("excluded", job ? job->excluded_nodes : "");
  return message;
}

// Ids come round again, of jobs and, within a job that starts over, of steps. A checkpoint of this very job was made in
// an earlier run, and one of this step by the same command. What cannot be read is taken for ours: it must not be
// passed over in silence.
bool Start::belong_here(const JobKey& key, const std::vector<Generation>& generations) const {
  for (auto generation = generations.rbegin(); generation != generations.rend(); ++generation) {
    const auto manifest = store_.read(*generation, key, run_.part);
    if (!manifest) continue;
    if (manifest->restarts >= run_.facts.restarts) return false;
    return run_.facts.step == kBatchStep || manifest->command == printable(run_.facts.command);
  }
  return true;
}

// Before its log is gone.
void Start::explain_last_failure(const std::string& directory) {
  for (auto& [number, reason] : failed_) {
    if (!reason.empty()) continue;
    const UniqueFd images(::open((directory + "/restore").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    reason = why_ = images ? explain_criu_log(images.get(), kRestoreLog) : "its log is gone";
  }
}

Result<Message> Start::prepare() {
  const std::string directory = local_directory(config_, run_.facts);
  STASIS_LET(const UniqueFd lock, lock_run_directory(directory));
  explain_last_failure(directory);
  STASIS_LET(const auto key, find_job(run_, store_));
  if (!key) return fresh();
  first_start_ = key->first_start;
  STASIS_LET(auto generations, store_.generations(*key, run_.part));
  if (generations.empty()) return fresh();
  if (!belong_here(*key, generations)) return fresh();
  std::string reasons;
  std::reverse(generations.begin(), generations.end());
  for (const auto& generation : generations) {
    if (const auto tried = failed_.find(generation.number); tried != failed_.end()) {
      reasons += "checkpoint " + std::to_string(generation.number) + " did not restore: " + tried->second + "; ";
      continue;
    }
    const std::string name = "checkpoint " + std::to_string(generation.number);
    auto ready = try_generation(generation, *key, lock.get());
    if (ready) return ready;
    // An earlier one may do with this processor. But the work since then is lost only here.
    if (unfit_) return fail(std::move(ready.error()).context(name));
    reasons += name + ": " + ready.error().message + "; ";
  }
  if (run_.protection.restore_failure == RestoreFailure::restart) return fresh();
  return fail(ErrorKind::failed, reasons.substr(0, reasons.size() - 2));
}

Result<void> Start::check_cpu(const Manifest& manifest) {
  if (!config_.policy_for(run_.facts.partition).check_cpu) return {};
  const std::string missing = missing_features(manifest.cpu, cpu_features());
  if (missing.empty()) return {};
  unfit_ = true;
  return fail(ErrorKind::unsupported, "the processor of " + run_.facts.node + " lacks " + missing + ", which that of " +
                                          manifest.node + " has and the job may use");
}

Result<Message> Start::try_generation(const Generation& generation, const JobKey& key, int) {
  const std::string directory = local_directory(config_, run_.facts);
  STASIS_LET(const Manifest found, store_.read(generation, key, run_.part));
  excluded_ = found.excluded;
  STASIS_TRY(check_cpu(found));
  STASIS_LET(const UniqueFd images, fresh_directory(directory, "restore"));
  PageLearner learner(config_, run_);
  STASIS_LET(const Manifest manifest, store_.fetch(generation, key, run_.part, images.get(), learner.observer()));
  if (manifest.job.uid != run_.facts.uid || manifest.gid != run_.facts.gid) {
    return fail(ErrorKind::denied, "made for another user or group");
  }
  learner.remember(manifest, store_);
  STASIS_TRY(put_job_files_back(run_, config_, manifest, images.get()));
  STASIS_LET(const auto closed, move_sockets(images.get()));
  RestoreOptions options;
  options.stdio = manifest.stdio;
  Message message(verb::kRestore);
  for (auto& word : criu_restore_command(config_.criu, options)) message.add("argv", std::move(word));
  for (const auto& peer : closed) message.add("closed", peer);
  return message.add("root", manifest.root)
      .add("number", manifest.number)
      .add("first_start", key.first_start)
      .add("excluded", manifest.excluded)
      .add("directory", directory + "/restore")
      .add("made_at", manifest.made_at)
      .add("node", manifest.node);
}

}  // namespace

Message prepare_start(const Run& run, const FailedRestores& failed, const Config& config, const CheckpointStore& store,
                      SlurmClient& slurm) {
  Start start(run, failed, config, store, slurm);
  auto result = start.prepare();
  Message answer = result ? std::move(*result)
                          : Message(verb::kHold)
                                .add("reason", start.unfit() ? kUnfit : to_string(result.error().kind))
                                .add("text", printable(result.error().message))
                                .add("first_start", start.first_start())
                                .add("excluded", start.excluded());
  if (!start.why().empty()) answer.add("why", printable(start.why()));
  return answer;
}

}  // namespace stasis
