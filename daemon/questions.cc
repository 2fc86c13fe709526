// SPDX-License-Identifier: Apache-2.0
#include "daemon/questions.h"

#include <utility>

#include "common/protocol.h"
#include "common/restart_point.h"
#include "common/stored_checkpoint.h"
#include "daemon/answers.h"
#include "daemon/preflight.h"

namespace stasis {
namespace {

// For one who does not read.
constexpr std::chrono::seconds kPeerReads{10};
// Each is a process, and some read all of a checkpoint.
constexpr int kQuestionsOfAUser = 4;

Message refused(const std::string& text) { return Message("refused").add("text", text); }

JobId job_in(const Message& question) { return static_cast<JobId>(question.get_int("job", 1, UINT32_MAX).value_or(0)); }
std::uint32_t number_in(const Message& question) {
  return static_cast<std::uint32_t>(question.get_int("number", 1, UINT32_MAX).value_or(0));
}

// Of the asker alone, by his place in the store: nobody can name another's. Root's own.
Result<std::vector<JobKey>> jobs_of(const Services& services, JobId job, uid_t uid) {
  if (services.config.cluster.empty()) {
    return fail(ErrorKind::busy, "slurmctld has not told the cluster's name yet: try again");
  }
  STASIS_LET(auto jobs, services.store.jobs(services.config.cluster, uid, job));
  if (jobs.empty()) {
    return fail(ErrorKind::not_found, "no checkpoint of a job " + std::to_string(job) + " of yours is in the store");
  }
  return jobs;
}

Result<std::vector<Message>> tell_stored(const Services& services, const Message& question, uid_t uid) {
  STASIS_LET(const auto jobs, jobs_of(services, job_in(question), uid));
  const auto how_far = question.has("deep") ? LookAt::everything : LookAt::manifests;
  std::optional<std::uint32_t> number;
  if (question.has("number")) number = number_in(question);
  STASIS_LET(const auto found, stored_checkpoints(services.store, jobs, how_far, number));
  std::vector<Message> messages;
  messages.reserve(found.size());
  for (const auto& checkpoint : found) messages.push_back(checkpoint.to_message());
  return messages;
}

// While it runs, or may start at any moment, its checkpoints are not to be moved about.
Result<std::vector<Message>> choose(Services& services, const Message& question, uid_t uid) {
  const JobId id = job_in(question);
  STASIS_LET(const auto jobs, jobs_of(services, id, uid));
  STASIS_LET(const JobInfo job, services.slurm.job(JobRef(id), Deadline::in(kSlurmAnswers)));
  if (!job.held) {
    return fail(ErrorKind::busy, "the job is not held: it is " + job.state);
  }
  STASIS_TRY(choose_restart_point(services.store, jobs, number_in(question)));
  return std::vector<Message>{Message("chosen")};
}

Result<std::vector<Message>> check(const Config& config, JobId job, const std::vector<Run>& runs) {
  std::vector<Message> messages;
  for (const auto& run : runs) {
    STASIS_LET(auto found, check_run(run, config.policy_for(run.facts.partition).outside_connections));
    messages.insert(messages.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  if (messages.empty()) {
    return fail(ErrorKind::not_found, "no protected job " + std::to_string(job) + " of yours runs on this node");
  }
  return messages;
}

}  // namespace

bool Questions::knows(const std::string& verb) {
  return verb == verb::kRuns || verb == verb::kStats || verb == verb::kLog || verb == verb::kStored ||
         verb == verb::kRestart || verb == verb::kCheck;
}

// What is in this process's memory.
std::vector<Message> Questions::known(const Message& question, const PeerCredentials& peer,
                                      const std::vector<RunKeeperPtr>& runs) const {
  std::vector<Message> messages;
  const std::string& verb = question.verb();
  if (verb == verb::kRuns) {
    for (const auto& keeper : runs) {
      if (peer.uid != 0 && keeper->run().facts.uid != peer.uid) continue;
      messages.push_back(describe_run(keeper->run(), keeper->phase(), keeper->record(), std::time(nullptr)));
    }
  } else if (verb == verb::kStats) {
    messages.push_back(Message("stats").add(
        "text", services_.metrics.text(runs.size(), services_.workers.count(), last_checkpoints(runs))));
  } else if (verb == verb::kLog) {
    messages = describe_log(log_.lines(job_in(question), peer.uid));
  }
  return messages;
}

// What takes a look: nullopt where memory knows it.
std::optional<Result<std::vector<Message>>> Questions::looked_up(const Message& question, uid_t uid,
                                                                 const std::vector<Run>& runs) {
  if (question.verb() == verb::kStored) return tell_stored(services_, question, uid);
  if (question.verb() == verb::kRestart) return choose(services_, question, uid);
  if (question.verb() == verb::kCheck) return check(services_.config, job_in(question), runs);
  return std::nullopt;
}

void Questions::answer(int socket, const Message& question, const PeerCredentials& peer,
                       const std::vector<RunKeeperPtr>& runs, const std::function<void()>& done) {
  const uid_t uid = peer.uid;
  if (uid != 0 && under_way_[uid] >= kQuestionsOfAUser) {
    for (const auto& message :
         {refused("others of your questions are being answered: try again"), Message(verb::kEnd)}) {
      (void)send_message(socket, message, Deadline::in(std::chrono::seconds(0)));
    }
    return done();
  }
  auto messages = known(question, peer, runs);
  std::vector<Run> asked_for;
  for (const auto& keeper : runs) {
    const TaskFacts& facts = keeper->run().facts;
    if (facts.job == job_in(question) && (uid == 0 || facts.uid == uid)) asked_for.push_back(keeper->run());
  }
  ++under_way_[uid];
  const auto started = services_.workers.start(
      {socket},
      [this, socket, question, uid, messages = std::move(messages),
       asked_for = std::move(asked_for)](const WorkerLine&) mutable {
        if (auto found = looked_up(question, uid, asked_for)) {
          messages = *found ? std::move(**found) : std::vector<Message>{refused(found->error().message)};
        }
        messages.emplace_back(verb::kEnd);
        for (const auto& message : messages) {
          if (!send_message(socket, message, Deadline::in(kPeerReads))) break;
        }
        return Message("answered");
      },
      [this, uid, done](const Message&, bool ended) {
        if (!ended) return;
        if (--under_way_[uid] == 0) under_way_.erase(uid);
        done();
      });
  if (started) return;
  services_.log.error("cannot start a worker: {}", started.error().message);
  if (--under_way_[uid] == 0) under_way_.erase(uid);
  done();
}

}  // namespace stasis
