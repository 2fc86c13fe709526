// SPDX-License-Identifier: Apache-2.0
#include "daemon/after_run.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace stasis {
namespace {

constexpr std::chrono::seconds kSlurmAnswers{60};
// Steps end, epilogs run, slurmctld may be away: asked ever more seldom, up to a day.
constexpr std::chrono::milliseconds kFirstWait{200};
constexpr std::chrono::seconds kLongestWait{60};
constexpr std::chrono::hours kGiveUp{24};
// How long a requeued job insists on another node when the preference is soft: 20 s. Most jobs run again within
// seconds, and then nobody has to wait for the rest of it.
constexpr std::chrono::seconds kPreferFor[] = {std::chrono::seconds(6), std::chrono::seconds(14)};

// slurmd takes the credential of a run that starts within the same second as the one before ended for that one's, which
// is revoked: slurmctld kills the job as "non-startable", and it has failed. A start in two seconds is not what to ask
// for: Slurm would look at the job again only when it looks at all of them, half a minute later.
constexpr std::chrono::seconds kSameNode{2};

bool is_any_of(const std::string& state, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return state == name; });
}

std::string with(std::string list, const std::vector<std::string>& nodes) {
  for (const auto& node : nodes) list += (list.empty() ? "" : ",") + node;
  return list;
}

// Asking again makes sense.
bool is_away(const Error& error) { return error.kind == ErrorKind::busy || error.kind == ErrorKind::timed_out; }

class AfterRun {
 public:
  AfterRun(const Run& run, const Config& config, const CheckpointStore& store, SlurmClient& slurm, WorkerClock& clock)
      : run_(run), policy_(config.policy_for(run.facts.partition)), store_(store), slurm_(slurm), clock_(clock) {}

  std::string finish();

 private:
  // Both nullopt: not decided yet.
  std::optional<std::string> settle(const JobInfo& job);
  std::optional<std::string> requeued(const JobInfo& job);
  std::optional<std::string> ended_before_it_ran();
  bool has_checkpoint() const;
  std::vector<std::string> unfit_nodes() const;
  std::string prefer_until(const JobInfo& requeued, const std::string& excluded, const std::string& never);
  std::string done();
  Result<void> remove() const;
  static Deadline answer() { return Deadline::in(kSlurmAnswers); }

  const Run& run_;
  const Policy& policy_;
  const CheckpointStore& store_;
  SlurmClient& slurm_;
  WorkerClock& clock_;
  const std::chrono::steady_clock::time_point give_up_ = clock_.now() + kGiveUp;
  std::optional<int> attempts_;     // at resuming it, this one included
  std::optional<std::string> own_;  // the nodes the user excluded himself
};

std::string AfterRun::finish() {
  for (std::chrono::milliseconds wait = kFirstWait; clock_.now() < give_up_;) {
    const auto job = slurm_.job(run_.facts.ref(), answer());
    if (!job && job.error().kind == ErrorKind::not_found) return done();
    if (job) {
      if (auto outcome = settle(*job)) return *outcome;
    }
    clock_.pause(wait);
    wait = std::min<std::chrono::milliseconds>(wait * 3 / 2, kLongestWait);
  }
  return "slurmctld did not say what became of the job";
}

std::optional<std::string> AfterRun::settle(const JobInfo& job) {
  if (job.completing()) return std::nullopt;
  const bool over = is_any_of(job.state, {"COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY", "DEADLINE"});
  if (job.restarts > run_.facts.restarts) {
    if (job.pending()) return requeued(job);
    // While it waited to go on, most likely: a new job may go on from there. The janitor comes in a day or so.
    if (job.state == "CANCELLED") return "kept for a while: the job was cancelled after its requeue";
    return over ? done() : "runs again";
  }
  if (job.running()) {
    // A step that ended while its job goes on; a batch script that ended is still being reported.
    return run_.facts.step == kBatchStep ? std::nullopt : std::optional(done());
  }
  // It was ended by us for Slurm to requeue it, and Slurm did not.
  if (run_.left && job.state != "CANCELLED") {
    const auto again = slurm_.requeue(run_.facts.ref(), answer());
    if (!again && !is_away(again.error())) return "kept, but not requeued: " + again.error().message;
    return std::nullopt;
  }
  const bool may_have_one = run_.facts.restarts > 0 && run_.facts.step == kBatchStep;
  if (job.state == "FAILED" && may_have_one && run_.root == 0) return ended_before_it_ran();
  return over ? done() : "kept: the job is " + job.state;
}

// It was to go on from a checkpoint, and something ended its task before it did: a signal that Slurm had meant for the
// run before, say. That is no end of the job's own.
std::optional<std::string> AfterRun::ended_before_it_ran() {
  const auto jobs = store_.jobs(run_.key.cluster, run_.facts.uid, run_.facts.job);
  if (jobs && jobs->empty()) return done();
  if (!jobs) return "kept: the job has failed, and the store cannot be read: " + jobs.error().message;
  if (!attempts_) {
    const auto noted = store_.note_failed_restore(jobs->back(), run_.part, run_.facts.restarts, run_.facts.node);
    if (!noted) return "kept: the job has failed before it was resumed; " + noted.error().message;
    attempts_ = *noted;
  }
  if (*attempts_ >= kRestoreAttempts) return "kept: the job has failed before it was resumed, again and again";
  const auto again = slurm_.requeue(run_.facts.ref(), answer());
  if (!again && !is_away(again.error())) return "kept, but not requeued: " + again.error().message;
  return std::nullopt;
}

std::string AfterRun::done() {
  const auto removed = remove();
  return removed ? "checkpoints removed" : "checkpoints not removed: " + removed.error().message;
}

// Of a script everything that there is of this job id: its steps have begun at times of their own, and a run that was
// cancelled while it was made ready does not know when its job began.
Result<void> AfterRun::remove() const {
  if (run_.facts.step != kBatchStep) return store_.remove_part(run_.key, run_.part);
  STASIS_LET(const auto jobs, store_.jobs(run_.key.cluster, run_.facts.uid, run_.facts.job));
  for (const auto& job : jobs) STASIS_TRY(store_.remove(job));
  return {};
}

std::optional<std::string> AfterRun::requeued(const JobInfo& job) {
  if (run_.follows) return "requeued";
  // Slurm takes repeated requeues for launch failures and holds the job; it counts those where a run ends by itself in
  // its grace time, as ours do.
  if (job.reason.find("launch_failure_limit") != std::string::npos) {
    const auto released = slurm_.release(run_.facts.ref(), answer());
    if (!released && is_away(released.error())) return std::nullopt;
  }
  // Before the first requeue the list is the user's alone; later it has our wishes in it, and the checkpoint knows.
  if (!own_) own_ = run_.facts.restarts == 0 ? job.excluded_nodes : run_.excluded;
  // A user who wants certain nodes is not argued with: excluding one of them would leave the job waiting for ever.
  const bool anywhere = job.required_nodes.empty();
  const auto unfit = unfit_nodes();
  const bool fits_here = std::find(unfit.begin(), unfit.end(), run_.facts.node) == unfit.end();
  const bool prefer = anywhere && fits_here && policy_.prefer_other_node != PreferOtherNode::off && has_checkpoint();
  std::vector<std::string> fields;
  const std::string never = with(*own_, unfit);
  const std::string excluded = prefer ? with(never, {run_.facts.node}) : never;
  if (anywhere && (prefer || !unfit.empty())) fields.push_back("ExcNodeList=" + excluded);
  if (policy_.requeue_begin_now) {
    if (!prefer && fits_here) clock_.pause(kSameNode);
    fields.emplace_back("StartTime=now");
  }
  if (fields.empty()) return "requeued";
  if (const auto set = slurm_.update(run_.facts.ref(), fields, answer()); !set) {
    if (is_away(set.error())) return std::nullopt;
    return "requeued; " + set.error().message;
  }
  if (!prefer || policy_.prefer_other_node != PreferOtherNode::soft) return "requeued";
  return prefer_until(job, excluded, never);
}

// Of the last job of that id: where its checkpoints have been found to need another processor.
std::vector<std::string> AfterRun::unfit_nodes() const {
  // An administrator may have stopped asking since they were noted.
  if (!policy_.check_cpu) return {};
  const auto jobs = store_.jobs(run_.key.cluster, run_.facts.uid, run_.facts.job);
  if (!jobs || jobs->empty()) return {};
  return store_.unfit_nodes(jobs->back()).value_or(std::vector<std::string>());
}

// Of what the user excluded himself nothing but a checkpoint knows. Without one the script starts again, anywhere, and
// its run would take our wish for the user's.
bool AfterRun::has_checkpoint() const {
  const auto jobs = store_.jobs(run_.key.cluster, run_.facts.uid, run_.facts.job);
  return jobs && std::any_of(jobs->begin(), jobs->end(), [&](const JobKey& job) {
           const auto generations = store_.generations(job, run_.part);
           return generations && !generations->empty();
         });
}

// `excluded` is the list as it was set, `never` what stays of it. Whoever changed it meanwhile knew what he did; and a
// job that has run since then may wait with the same list again, for a later run on this node.
std::string AfterRun::prefer_until(const JobInfo& requeued, const std::string& excluded, const std::string& never) {
  const JobRef job = run_.facts.ref();
  std::size_t waited = 0;
  while (clock_.now() < give_up_) {
    clock_.pause(kPreferFor[std::min(waited, std::size(kPreferFor) - 1)]);
    ++waited;
    const auto now = slurm_.job(job, answer());
    if (!now && is_away(now.error())) continue;
    if (!now || !now->pending() || now->restarts != requeued.restarts || now->excluded_nodes != excluded)
      return "requeued";
    if (waited < std::size(kPreferFor)) continue;
    const auto set = slurm_.update(job, {"ExcNodeList=" + never}, answer());
    if (set) return "requeued; no other node was free, so this one will do";
    if (!is_away(set.error())) return "requeued; " + set.error().message;
  }
  return "requeued; slurmctld is away, and the job keeps off this node";
}

}  // namespace

Message finish_run(const Run& run, const Config& config, const CheckpointStore& store, SlurmClient& slurm,
                   WorkerClock& clock) {
  return Message("after").add("outcome", AfterRun(run, config, store, slurm, clock).finish());
}

}  // namespace stasis
