// SPDX-License-Identifier: Apache-2.0
#include "daemon/start.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "common/checkpoint_name.h"
#include "common/cpu_features.h"
#include "common/criu_command.h"
#include "common/criu_log.h"
#include "common/log.h"
#include "common/protocol.h"
#include "daemon/closed_connections.h"
#include "daemon/expired_timers.h"
#include "daemon/image_server.h"
#include "daemon/job_files.h"
#include "daemon/job_memory.h"
#include "daemon/origin.h"
#include "daemon/run_lock.h"
#include "daemon/socket_translation.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};
// While a restore's memory is fetched.
constexpr int kProcessorsForCriu = 1;

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
  Start(const Run& run, FailedRestores failed, bool stream, const Config& config, const CheckpointStore& store,
        SlurmClient& slurm)
      : run_(run), failed_(std::move(failed)), stream_(stream), config_(config), store_(store), slurm_(slurm) {}

  Result<Message> prepare();
  // What criu does not have yet of what was prepared.
  Result<void> hand_over();
  // Of the job whose checkpoints were found; 0: none were.
  std::time_t first_start() const { return first_start_; }
  // The job that this one is to go on from, as long as it has no checkpoints of its own; 0: it is itself.
  JobId origin() const { return origin_; }
  const std::string& why() const { return why_; }
  bool unfit() const { return unfit_; }
  const std::string& excluded() const { return excluded_; }

 private:
  void explain_last_failure(const std::string& directory);
  Result<Message> fresh();
  std::string excluded_by_user() const;
  Result<Message> go_on_from_another();
  Result<Message> try_each(const std::vector<Generation>& generations, const JobKey& key);
  std::string name_of(const Generation& generation) const;
  bool belong_here(const JobKey& key, const std::vector<Generation>& generations) const;
  Result<void> check_cpu(const Manifest& manifest);
  Result<Message> try_generation(const Generation& generation, const JobKey& key);
  Result<void> fetch_memory();

  const Run& run_;
  FailedRestores failed_;
  bool stream_;
  UniqueFd lock_;
  UniqueFd images_;
  std::optional<CheckpointStore::Fetched> fetched_;
  std::optional<ImageProgress> progress_;
  std::optional<PageLearner> learner_;
  std::optional<ImageServer> server_;
  std::string why_;
  const Config& config_;
  const CheckpointStore& store_;
  SlurmClient& slurm_;
  std::time_t first_start_ = 0;
  JobId origin_ = 0;
  std::string excluded_;  // of the checkpoint looked at last
  bool unfit_ = false;
};

// So that it is kept when a requeue excludes this node. As long as there is no checkpoint, none does.
std::string Start::excluded_by_user() const {
  const auto job = slurm_.job(run_.facts.ref(), Deadline::in(kSlurmAnswers));
  return job ? job->excluded_nodes : "";
}

Result<Message> Start::fresh() {
  return Message(verb::kFresh).add("first_start", std::time(nullptr)).add("excluded", excluded_by_user());
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
  STASIS_LET(lock_, lock_run_directory(directory));
  explain_last_failure(directory);
  const bool from_another = run_.facts.goes_on_from_another();
  // What is there under this number in a first run is an earlier job's.
  std::optional<JobKey> key;
  if (run_.facts.restarts > 0) {
    STASIS_LET(key, find_job(run_, store_));
  }
  if (!key) return from_another ? go_on_from_another() : fresh();
  first_start_ = key->first_start;
  STASIS_LET(auto generations, store_.generations(*key, run_.part));
  if (generations.empty() || !belong_here(*key, generations)) return from_another ? go_on_from_another() : fresh();
  std::reverse(generations.begin(), generations.end());
  auto ready = try_each(generations, *key);
  // An earlier one may do with this processor. But the work since then is lost only here.
  if (!ready && !unfit_ && run_.protection.restore_failure == RestoreFailure::restart) return fresh();
  return ready;
}

// From its beginning it never starts, whatever --restore-failure says: that is about its own checkpoints.
Result<Message> Start::go_on_from_another() {
  first_start_ = std::time(nullptr);
  STASIS_LET(const CheckpointName name, parse_checkpoint_name(*run_.facts.request.from));
  origin_ = name.job;
  STASIS_LET(const Origin origin, in_context("--checkpoint-from=" + name.text(), find_origin(run_, store_, slurm_)));
  auto ready = try_each(origin.generations, origin.key);
  excluded_ = excluded_by_user();
  return ready;
}

std::string Start::name_of(const Generation& generation) const {
  return "checkpoint " + std::to_string(generation.number) + (origin_ == 0 ? "" : " of job " + std::to_string(origin_));
}

Result<Message> Start::try_each(const std::vector<Generation>& generations, const JobKey& key) {
  std::string reasons;
  for (const auto& generation : generations) {
    if (const auto tried = failed_.find(generation.number); tried != failed_.end()) {
      reasons += name_of(generation) + " did not restore: " + tried->second + "; ";
      continue;
    }
    auto ready = try_generation(generation, key);
    if (ready) return ready;
    if (unfit_) return fail(std::move(ready.error()).context(name_of(generation)));
    reasons += name_of(generation) + ": " + ready.error().message + "; ";
  }
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

Result<Message> Start::try_generation(const Generation& generation, const JobKey& key) {
  const std::string directory = local_directory(config_, run_.facts);
  STASIS_LET(const Manifest found, store_.read(generation, key, run_.part));
  excluded_ = found.excluded;
  STASIS_TRY(check_cpu(found));
  server_.reset();
  STASIS_LET(images_, fresh_directory(directory, "restore"));
  STASIS_LET(fetched_, store_.fetch_all_but_memory(generation, key, run_.part, images_.get()));
  const Manifest& manifest = fetched_->manifest;
  if (manifest.job.uid != run_.facts.uid || manifest.gid != run_.facts.gid) {
    return fail(ErrorKind::denied, "made for another user or group");
  }
  progress_.emplace(fetched_->map);
  learner_.emplace(config_, run_, manifest);
  if (stream_) {
    STASIS_LET(ImageServer server, ImageServer::listen(images_.get(), *progress_));
    server_.emplace(std::move(server));
  } else {
    STASIS_TRY(fetch_memory());
  }
  STASIS_TRY(put_job_files_back(run_, config_, manifest, images_.get()));
  STASIS_LET(const auto closed, move_sockets(images_.get()));
  STASIS_TRY(end_closed_connections(images_.get()));
  STASIS_TRY(rearm_expired_timers(images_.get()));
  RestoreOptions options;
  options.stream = stream_;
  options.stdio = manifest.stdio;
  Message message(verb::kRestore);
  for (auto& word : criu_restore_command(config_.criu, options)) message.add("argv", std::move(word));
  for (const auto& peer : closed) message.add("closed", peer);
  return message.add("root", manifest.root)
      .add("number", manifest.number)
      .add("directory", directory + "/restore")
      .add("made_at", manifest.made_at)
      .add("node", manifest.node);
}

Result<void> Start::fetch_memory() {
  const int threads = threads_for_pages(server_ ? kProcessorsForCriu : 0);
  PutPages put;
  if (server_) {
    put = into_segments(images_.get(), *progress_);
  } else {
    STASIS_LET(put, into_whole_images(fetched_->map, images_.get()));
  }
  STASIS_TRY(store_.fetch_memory(*fetched_, put, learner_->observer(), *progress_, threads));
  learner_->remember(fetched_->manifest, store_);
  return {};
}

Result<void> Start::hand_over() {
  if (!server_) return {};
  Result<void> served;
  bool unwanted = false;
  std::thread server([&] {
    served = server_->serve(run_.init_pidfd);
    // Criu has all of it, or is gone: the next one is not to wait for this.
    unwanted = progress_->fail({ErrorKind::lost, "nobody reads it any more"});
  });
  auto fetched = fetch_memory();
  // The run's first checkpoint may be made while criu still reads.
  lock_.reset();
  server.join();
  return fetched || unwanted ? served : fetched;
}

}  // namespace

Message prepare_start(const Run& run, const FailedRestores& failed, bool stream, const Config& config,
                      const CheckpointStore& store, SlurmClient& slurm, const WorkerLine& line) {
  const auto begun = std::chrono::steady_clock::now();
  Start start(run, failed, stream, config, store, slurm);
  auto result = start.prepare();
  Message answer = result ? std::move(*result)
                          : Message(verb::kHold)
                                .add("reason", start.unfit() ? kUnfit : to_string(result.error().kind))
                                .add("text", printable(result.error().message));
  if (answer.verb() != verb::kFresh) {
    answer.add("first_start", start.first_start()).add("excluded", start.excluded());
    if (start.origin() != 0) answer.add("origin", start.origin());
  }
  const auto took = std::chrono::steady_clock::now() - begun;
  answer.add("took_ms", std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  if (!start.why().empty()) answer.add("why", printable(start.why()));
  line.tell(answer);
  Message end("handed_over");
  if (result) {
    if (const auto done = start.hand_over(); !done) end.add("error", printable(done.error().message));
  }
  return end;
}

}  // namespace stasis
