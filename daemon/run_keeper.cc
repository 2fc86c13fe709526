// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_keeper.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/protocol.h"
#include "common/time_spec.h"
#include "daemon/after_run.h"
#include "daemon/leftovers.h"
#include "daemon/protection.h"
#include "daemon/run_store.h"
#include "daemon/signal_checkpoint.h"
#include "daemon/start.h"

namespace stasis {
namespace {

// A shim waits for its capsule for two seconds at most.
constexpr std::chrono::seconds kShimEnds{5};
constexpr std::chrono::seconds kPeerReads{2};
constexpr std::chrono::seconds kAskSlurmAgain{1};
constexpr std::chrono::seconds kTryAgain{1};
constexpr pid_t kMaxPid = 1 << 22;

std::uint32_t number_in(const Message& message) {
  return static_cast<std::uint32_t>(message.get_int("number", 1, UINT32_MAX).value_or(0));
}
pid_t root_in(const Message& message) { return static_cast<pid_t>(message.get_int("root", 0, kMaxPid).value_or(0)); }

bool has_attempts_left(const Run& run, Services& services) {
  const auto attempts =
      store_of(run, services.store).note_failed_restore(run.key, run.part, run.facts.restarts, run.facts.node);
  return attempts && *attempts < kRestoreAttempts;
}

// Whose user wants just this node would come back to it for ever.
bool keeps_off_node(const Run& run, Services& services) {
  if (!store_of(run, services.store).note_unfit_node(run.key, run.facts.node)) return false;
  const auto job = services.slurm.job(run.facts.ref(), Deadline::in(kSlurmAnswers));
  return job && job->required_nodes.empty();
}

}  // namespace

Result<RunKeeperPtr> RunKeeper::meet(Services& services, const Message& hello, const PeerCredentials& peer,
                                     UniqueFd socket) {
  // Not by its wrapper: glibc 2.36 declares it for C only.
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, peer.pid, 0)));
  if (!pidfd) return fail(ErrorKind::lost, "its init is gone");
  Run run;
  STASIS_LET(run.facts, TaskFacts::from_message(hello));
  run.part = part_of(run.facts);
  run.init = peer.pid;
  run.init_pidfd = pidfd.get();
  run.root = root_in(hello);
  run.tmp_holder = hello.get("tmp").value_or("");
  run.excluded = hello.get("excluded").value_or("");
  const auto first_start = hello.get_int("first_start", 0, INT64_MAX).value_or(0);
  run.key = {services.config.cluster, run.facts.uid, run.facts.job, first_start};
  const auto decision = decide_for_task(services.config, run.facts);
  if (decision) {
    if (const auto* protection = std::get_if<Protection>(&*decision)) run.protection = *protection;
  }
  return RunKeeperPtr(new RunKeeper(services, std::move(run), std::move(socket), std::move(pidfd)));
}

void RunKeeper::begin(const Message& hello) {
  if (hello.get("state") == "restoring") {
    // By the order of a daemon before this one, from images that must be left alone until it is done.
    phase_ = Phase::restoring;
    restoring_generation_ = number_in(hello);
    services_.log.info("job={} capsule is back, resuming from checkpoint {}", run_.name(), restoring_generation_);
    return;
  }
  if (hello.get("state") != "running") return prepare();
  services_.log.info("job={} capsule is back", run_.name());
  if (run_.protection.method.kind == CheckpointMethod::Kind::criu) return attach();
  // A worker that died along with the daemon may have held the program's script still.
  work(
      [this, run = run_](const WorkerLine&) {
        let_go_on(run, services_.config);
        return Message("done");
      },
      [this](const Message&) { attach(); });
}

// Its checkpoints have their place below the cluster's name, which slurmctld may not have told yet.
void RunKeeper::attach() {
  if (over_) return;
  if (services_.config.cluster.empty()) {
    services_.loop.after(kAskSlurmAgain, [self = shared_from_this()] { self->attach(); });
    return;
  }
  run_.key.cluster = services_.config.cluster;
  // It started while no daemon was there: its history begins now.
  if (run_.key.first_start == 0) run_.key.first_start = std::time(nullptr);
  tell(Message(verb::kAttached).add("first_start", run_.key.first_start).add("excluded", run_.excluded));
  on_running();
}

void RunKeeper::tell(const Message& message, std::span<const int> fds) {
  // An init that does not read is one that ends: its connection will say so.
  if (socket_) (void)send_message(socket_.get(), message, fds, Deadline::in(kPeerReads));
}

void RunKeeper::work(const Workers::Work& work, const std::function<void(const Message&)>& done,
                     std::function<void(const Message&)> news) {
  const auto self = shared_from_this();
  const auto started = services_.workers.start(
      {pidfd_.get()}, work, [self, done, news = std::move(news)](const Message& message, bool ended) {
        if (!ended) {
          if (news) news(message);
          return;
        }
        --self->working_;
        done(message);
        if (self->working_ == 0 && self->at_rest_) std::exchange(self->at_rest_, nullptr)();
      });
  if (started) {
    ++working_;
  } else {
    services_.log.error("job={} cannot start a worker: {}", run_.name(), started.error().message);
    done(Message("lost").add("error", started.error().message));
  }
}

// A run that never had a predecessor, nor was given one, has no checkpoint: it starts without a look at the store.
void RunKeeper::prepare() {
  if (over_) return;
  tell(Message(verb::kTaken));
  if (services_.config.cluster.empty()) {
    // Without the cluster's name, which slurmctld has not told yet, the store cannot be read.
    services_.loop.after(kAskSlurmAgain, [self = shared_from_this()] { self->prepare(); });
    return;
  }
  run_.key.cluster = services_.config.cluster;
  if (!run_.facts.may_have_checkpoint())
    return on_prepared(Message(verb::kFresh).add("first_start", std::time(nullptr)));
  work(
      [this, run = run_, failed = failed_generations_, stream = streams_](const WorkerLine& line) {
        return prepare_start(run, failed, stream, services_.config, store_of(run, services_.store), services_.slurm,
                             line);
      },
      [this](const Message& end) { on_handed_over(end); }, [this](const Message& answer) { on_prepared(answer); });
}

void RunKeeper::on_prepared(const Message& answer) {
  if (over_ || phase_ != Phase::starting) return;
  run_.key.first_start = answer.get_int("first_start", 0, INT64_MAX).value_or(0);
  if (const auto why = answer.get("why")) {
    failed_generations_[restoring_generation_] = *why;
    services_.log.error("job={} checkpoint {}: {}", run_.name(), restoring_generation_, *why);
  }
  // The worker of a daemon that was killed is still at it.
  if (answer.verb() == verb::kHold && answer.get("reason") == to_string(ErrorKind::busy)) {
    if (!std::exchange(told_to_wait_, true)) {
      services_.log.warning("job={} waits to be resumed: {}", run_.name(), answer.get("text").value_or("?"));
    }
    services_.loop.after(kTryAgain, [self = shared_from_this()] { self->prepare(); });
    return;
  }
  run_.excluded = answer.get("excluded").value_or("");
  origin_ = static_cast<JobId>(answer.get_int("origin", 1, UINT32_MAX).value_or(0));
  if (answer.verb() != verb::kFresh && answer.verb() != verb::kRestore) {
    return give_up(std::string(answer.get("text").value_or(answer.get("error").value_or("no reason given"))),
                   answer.get("reason") == kUnfit);
  }
  if (answer.verb() == verb::kRestore) return restore(answer);
  services_.log.info("job={} starts, checkpointed every {}{}", run_.name(), format_time(run_.protection.interval),
                     run_.protection.method == CheckpointMethod() ? "" : ", " + to_string(run_.protection.method));
  phase_ = Phase::running;
  begins_here_ = true;
  tell(Message(verb::kFresh).add("first_start", run_.key.first_start).add("excluded", run_.excluded));
}

void RunKeeper::on_handed_over(const Message& end) {
  if (end.verb() == "lost") return on_prepared(end);
  // Criu will say that it got too little.
  if (const auto error = end.get("error")) services_.log.error("job={} {}: {}", run_.name(), checkpoint_name(), *error);
}

std::string RunKeeper::checkpoint_name() const {
  return "checkpoint " + std::to_string(restoring_generation_) +
         (origin_ == 0 ? "" : " of job " + std::to_string(origin_));
}

void RunKeeper::restore(const Message& answer) {
  const std::string directory(answer.get("directory").value_or(""));
  const UniqueFd images(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const UniqueFd anchor(::openat(images.get(), "anchor", O_RDONLY | O_CLOEXEC));
  if (!images || !anchor) return give_up(errno_error("open " + directory, errno).message);
  phase_ = Phase::restoring;
  restoring_generation_ = number_in(answer);
  // Of another job's nothing was lost that was this one's.
  if (origin_ == 0) record_.resume(restoring_generation_, answer.get_int("made_at", 0, INT64_MAX).value_or(0));
  lost_connections_.clear();
  for (const auto peer : answer.get_all("closed")) lost_connections_.emplace_back(peer);
  // What it will have for its first checkpoint of its own is soon known, as in a job that begins.
  begins_here_ = origin_ != 0;
  services_.log.info("job={} resumes from {} made on {}, ready in {:.2f} s", run_.name(), checkpoint_name(),
                     answer.get("node").value_or("?"),
                     static_cast<double>(answer.get_int("took_ms", 0, INT64_MAX).value_or(0)) / 1000);
  Message order(verb::kRestore);
  order.add("root", root_in(answer))
      .add("number", restoring_generation_)
      .add("first_start", run_.key.first_start)
      .add("excluded", run_.excluded);
  for (const auto word : answer.get_all("argv")) order.add("argv", std::string(word));
  const int fds[] = {images.get(), anchor.get()};
  tell(order, fds);
}

// What does not restore here may restore elsewhere; what restores nowhere waits, held, for somebody to look at it. A
// node that is `unfit` says nothing about the others.
void RunKeeper::give_up(const std::string& reason, bool unfit) {
  services_.log.error("job={} not resumed: {}", run_.name(), reason);
  phase_ = Phase::leaving;
  work(
      [this, run = run_, reason, unfit, origin = origin_ != 0](const WorkerLine& line) {
        Message message("given_up");
        // Of a job that goes on from another's nothing is in the store yet that could remember an attempt.
        const bool elsewhere = !origin && (unfit ? keeps_off_node(run, services_) : has_attempts_left(run, services_));
        const std::string fate = elsewhere
                                     ? "this job cannot be resumed on " + run.facts.node + ", another node is tried: "
                                     : "this job cannot be resumed, so it is held and nothing is lost: ";
        // Before Slurm ends the task for it.
        line.tell(Message(verb::kSay).add("text", "error: " + fate + reason));
        const auto deadline = Deadline::in(kSlurmAnswers);
        const auto done = elsewhere ? services_.slurm.requeue(run.facts.ref(), deadline)
                                    : services_.slurm.requeue_and_hold(run.facts.ref(), deadline);
        if (!elsewhere) (void)services_.slurm.update(run.facts.ref(), {"Comment=stasis: held: " + reason}, deadline);
        if (!done) services_.log.error("job={} {}", run.name(), done.error().message);
        return message;
      },
      [this](const Message&) { tell(Message(verb::kHold)); }, [this](const Message& news) { tell(news); });
}

void RunKeeper::hear(const Message& message) {
  const std::string& verb = message.verb();
  if (verb == verb::kBorn) {
    run_.root = root_in(message);
    on_running();
  } else if (verb == verb::kRestored) {
    run_.root = root_in(message);
    services_.log.info("job={} restored", run_.name());
    services_.metrics.restore_ended(Metrics::Restore::done);
    tell(Message(verb::kSay)
             .add("text", "job " + std::to_string(run_.facts.job) + " goes on from " + checkpoint_name() + " on " +
                              run_.facts.node));
    for (const auto& peer : lost_connections_) {
      services_.log.info("job={} goes on without its connection to {}", run_.name(), peer);
      tell(Message(verb::kSay).add("text", "warning: the connection to " + peer + ", outside of the job, is closed"));
    }
    run_.restored = true;
    attach();
  } else if (verb == verb::kUnrestored) {
    if (std::exchange(streams_, false)) {
      services_.log.warning("job={} checkpoint {} does not restore while it is fetched, so it is fetched first",
                            run_.name(), restoring_generation_);
      phase_ = Phase::starting;
      return prepare();
    }
    services_.log.error("job={} checkpoint {} does not restore", run_.name(), restoring_generation_);
    services_.metrics.restore_ended(Metrics::Restore::failed);
    failed_generations_.emplace(restoring_generation_, "");
    phase_ = Phase::starting;
    prepare();
  } else if (verb == verb::kSignal) {
    judge_signal();
  } else if (verb == verb::kExit) {
    services_.log.info("job={} ended with status {}", run_.name(), message.get("status").value_or("?"));
  }
}

void RunKeeper::lose_connection(std::function<void()> on_end) {
  socket_.reset();
  services_.loop.watch(pidfd_.get(), [self = shared_from_this(), on_end = std::move(on_end)] {
    self->services_.loop.unwatch(self->pidfd_.get());
    self->over_ = true;
    self->cancel_timers();
    self->leave_job();
    self->services_.log.info("job={} capsule has ended", self->run_.name());
    self->on_capsule_end();
    on_end();
  });
}

void RunKeeper::retire() {
  services_.loop.unwatch(pidfd_.get());
  over_ = true;
  cancel_timers();
  leave_job();
}

void RunKeeper::join_job() {
  if (joined_) return;
  joined_ = true;
  const JobId job = run_.facts.job;
  if (run_.facts.step != kBatchStep) {
    run_.follows = services_.parts.has_script(job);
    return services_.parts.add_step(job);
  }
  services_.parts.add_script(job, [self = weak_from_this()] {
    const auto keeper = self.lock();
    if (keeper && keeper->active()) keeper->checkpoint(Afterwards::leave, "steps leave");
  });
}

void RunKeeper::leave_job() {
  if (!std::exchange(joined_, false)) return;
  const JobId job = run_.facts.job;
  if (run_.facts.step != kBatchStep) return services_.parts.remove_step(job);
  services_.parts.remove_script(job);
}

// A worker may be publishing still, or getting a restore ready: what it makes has to be there before it can be removed.
// But a job that left with its checkpoint published is not kept waiting.
void RunKeeper::on_capsule_end() {
  if (run_.left || working_ == 0) return finish();
  at_rest_ = [self = shared_from_this()] { self->finish(); };
}

void RunKeeper::finish() {
  if (run_.key.cluster.empty()) run_.key.cluster = services_.config.cluster;
  work(
      [this, run = run_](const WorkerLine&) {
        remove_tmp_holder(run.tmp_holder, Deadline::in(kShimEnds));
        remove_run_directory(local_directory(services_.config, run.facts));
        SystemClock clock;
        return finish_run(run, services_.config, store_of(run, services_.store), services_.slurm, clock);
      },
      [this](const Message& message) {
        services_.log.info("job={} {}", run_.name(), message.get("outcome").value_or("what became of it is not known"));
      });
}

}  // namespace stasis
