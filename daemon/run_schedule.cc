// SPDX-License-Identifier: Apache-2.0
// run_schedule.cc - the part of RunKeeper that decides when a run is checkpointed, and what for.
#include <algorithm>
#include <random>
#include <utility>

#include "common/capsule_processes.h"
#include "common/checkpoint_comment.h"
#include "common/memory_use.h"
#include "common/protocol.h"
#include "common/time_spec.h"
#include "daemon/job_fields.h"
#include "daemon/run_keeper.h"
#include "daemon/run_store.h"
#include "daemon/signal_checkpoint.h"

namespace stasis {
namespace {

// Between attempts at a checkpoint that has to be made before the job leaves.
constexpr std::chrono::seconds kTryAgain{3};
// A job that has so little time left before its last checkpoint does not grow much any more.
constexpr std::chrono::seconds kSoon{10};

// A tenth of the interval at most, so that jobs of one array do not all write at the same moment.
std::chrono::milliseconds jittered(std::chrono::milliseconds interval) {
  static std::minstd_rand random{std::random_device{}()};
  return interval - std::chrono::milliseconds(std::uniform_int_distribution<long>(0, interval.count() / 10)(random));
}

// Whoever has to act when this node is dead finds the job by the node in its comment.
void correct_node(SlurmClient& slurm, const JobInfo& job, const std::string& node) {
  auto comment = parse_checkpoint_comment(job.admin_comment);
  if (!comment || comment->node == node) return;
  comment->node = node;
  (void)slurm.update(job.ref, {"AdminComment=" + write_checkpoint_comment(*comment)}, Deadline::in(kSlurmAnswers));
}

std::string text_of(const Message& result) {
  return std::string(result.get("text").value_or(result.get("error").value_or("no reason given")));
}

}  // namespace

void RunKeeper::on_running() {
  phase_ = Phase::running;
  record_.begin(std::time(nullptr));
  join_job();
  schedule_next(true);
  look_at_job();
}

void RunKeeper::cancel_timers() {
  for (const auto timer : {interval_timer_, end_timer_, memory_timer_, grace_timer_}) services_.loop.cancel(timer);
}

void RunKeeper::schedule_next(bool first) {
  services_.loop.cancel(interval_timer_);
  const std::chrono::milliseconds interval = run_.protection.interval;
  if (interval.count() == 0) return;
  // It would end a program that is to run on.
  if (by_signal() && asks_to_end(run_.protection.method.signal) && !run_.protection.requeue_on_ckpt) {
    record_.next_due = 0;
    return;
  }
  auto wait = std::exchange(rest_of_interval_, std::nullopt).value_or(first ? jittered(interval) : interval);
  const bool early = first && tries_early() && *policy().first_checkpoint < wait;
  if (early) {
    const auto soon = jittered(*policy().first_checkpoint);
    rest_of_interval_ = wait - soon;
    wait = soon;
  }
  record_.next_due = std::time(nullptr) + wait.count() / 1000;
  interval_timer_ = services_.loop.after(wait, [self = shared_from_this(), early] {
    const bool leaves = self->run_.protection.requeue_on_ckpt && !early;
    self->checkpoint(leaves ? Afterwards::requeue : Afterwards::go_on, early ? "first" : "interval");
  });
}

// A job that has never been checkpointed shows soon whether it can be. After an upgrade of the daemon not all jobs of a
// node are checkpointed at once.
bool RunKeeper::tries_early() const {
  return policy().first_checkpoint && begins_here_ && run_.facts.restarts == 0 &&
         run_.protection.method.kind != CheckpointMethod::Kind::signal;
}

// One request: where the run's time ends, and whether it is being preempted.
void RunKeeper::look_at_job() {
  const bool known = services_.partitions.count(run_.facts.partition) != 0;
  work(
      [this, run = run_, known](const WorkerLine&) {
        const TaskFacts& facts = run.facts;
        if (run.restored) (void)store_of(run, services_.store).forget_failed_restores(run.key, run.part);
        Message message("job");
        const auto job = services_.slurm.job(facts.ref(), Deadline::in(kSlurmAnswers));
        if (job) {
          add_job_fields(message, *job);
          correct_node(services_.slurm, *job, facts.node);
        }
        if (known) return message;
        const auto partition = services_.slurm.partition(facts.partition, Deadline::in(kSlurmAnswers));
        if (partition) message.add("grace", partition->grace.count()).add("preempt_mode", partition->preempt_mode);
        return message;
      },
      [this](const Message& job) { on_job(job); });
}

void RunKeeper::on_job(const Message& job) {
  services_.metrics.work_lost(record_.take_loss(job));
  if (!active()) return;
  if (const auto grace = job.get_int("grace", 0, INT32_MAX)) {
    services_.partitions[run_.facts.partition] = {std::chrono::seconds(*grace),
                                                  std::string(job.get("preempt_mode").value_or(""))};
  }
  // In the first run the list is the user's own; later it may have our wishes in it.
  if (const auto nodes = job.get("excluded");
      nodes && run_.facts.restarts == 0 && job.get("restarts") == "0" && *nodes != run_.excluded) {
    run_.excluded = *nodes;
    tell(Message(verb::kAttached).add("excluded", run_.excluded));
  }
  if (job.has("preempt")) return leave_preempted();
  if (const auto end = job.get_int("end", 1, INT64_MAX)) {
    end_ = *end;
    schedule_last();
  }
  judge_grace();
  const auto partition = services_.partitions.find(run_.facts.partition);
  if (partition == services_.partitions.end() || partition->second.grace.count() == 0) return;
  // Slurm tells nobody on the node that a grace time has begun: it has to be asked, four times as often as needed.
  services_.loop.cancel(grace_timer_);
  const auto every = std::max<std::chrono::seconds>(partition->second.grace / 4, std::chrono::seconds(5));
  grace_timer_ = services_.loop.after(every, [self = shared_from_this()] {
    if (self->active()) self->look_at_job();
  });
}

// Or what the program asked for. Whoever is to fall back to the signal needs the time for both.
std::chrono::milliseconds RunKeeper::last_takes() const {
  const CheckpointMethod& method = run_.protection.method;
  if (by_signal()) return method.patience;
  const bool may_fall_back = method.kind == CheckpointMethod::Kind::automatic && record_.number == 0;
  const auto dump = std::min<std::chrono::milliseconds>(budget_.expected(services_.speed), policy().dump_timeout);
  return dump + (may_fall_back ? method.patience : std::chrono::seconds(0));
}

// The last checkpoint before the time limit. A job may need more time for it than it has: half of the run is its own.
// It may grow until then, so its memory is looked at half way, and half way from there, and so on.
void RunKeeper::schedule_last() {
  services_.loop.cancel(end_timer_);
  const std::chrono::milliseconds left = std::chrono::seconds(end_ - std::time(nullptr));
  const std::chrono::milliseconds half = std::chrono::seconds(end_ - record_.began) / 2;
  const auto wait = left - policy().final_dump_margin - std::min(last_takes(), half);
  end_timer_ = services_.loop.after(std::max(wait, std::chrono::milliseconds(0)), [self = shared_from_this()] {
    self->services_.log.info(
        "job={} has {} s to its time limit, and {} of memory: its last checkpoint may take {:.1f} s", self->run_.name(),
        self->end_ - std::time(nullptr), format_size(self->budget_.memory()),
        static_cast<double>(self->last_takes().count()) / 1e3);
    self->checkpoint(Afterwards::requeue, "time_limit");
  });
  if (memory_timer_ != 0 || wait <= kSoon) return;
  memory_timer_ = services_.loop.after(wait / 2, [self = shared_from_this()] { self->look_at_memory(); });
}

void RunKeeper::look_at_memory() {
  work(
      [run = run_](const WorkerLine&) {
        Message message("memory");
        const auto processes = capsule_processes(run.init);
        if (processes) message.add("bytes", static_cast<std::int64_t>(memory_to_dump(tree_of(*processes, run.root))));
        return message;
      },
      [this](const Message& memory) {
        memory_timer_ = 0;
        if (!active()) return;
        if (const auto bytes = memory.get_int("bytes", 0, INT64_MAX)) budget_.see(static_cast<std::uint64_t>(*bytes));
        judge_grace();
        schedule_last();
      });
}

// What a preemption leaves a job for its last checkpoint is the site's to give, so its administrator is told, once.
void RunKeeper::judge_grace() {
  const auto partition = services_.partitions.find(run_.facts.partition);
  if (partition == services_.partitions.end()) return;
  const auto& [grace, mode] = partition->second;
  const bool ends_jobs = mode == "REQUEUE" || mode == "CANCEL";
  const auto there_is = grace + services_.kill_wait;
  if (!ends_jobs || last_takes() <= there_is || std::exchange(grace_is_judged_, true)) return;
  services_.log.warning(
      "job={} would lose what it has computed since its last checkpoint: another one may take {:.1f} s, and a "
      "preemption "
      "leaves it {} s, GraceTime of the partition {} and KillWait",
      run_.name(), static_cast<double>(last_takes().count()) / 1e3, there_is.count(), run_.facts.partition);
}

// Within a grace time Slurm requeues a job that ends by itself. Asked to requeue it then, Slurm would not forget that
// it was to be preempted, and requeue it once more when it is done for good (seen with 24.11). Only where preemption
// means cancellation there is nothing to lose.
void RunKeeper::leave_preempted() {
  const auto partition = services_.partitions.find(run_.facts.partition);
  const bool cancels = partition != services_.partitions.end() && partition->second.preempt_mode == "CANCEL";
  checkpoint(cancels ? Afterwards::requeue : Afterwards::leave, "preempted");
}

void RunKeeper::checkpoint(Afterwards afterwards, const std::string& reason, Answer answer) {
  const auto skip = [](const Answer& asker, const char* text) {
    if (asker) asker(Message("skipped").add("text", text));
  };
  if (!active()) return skip(answer, "it does not run yet, or not any more");
  const JobId job = run_.facts.job;
  if (run_.facts.step != kBatchStep && afterwards != Afterwards::go_on) services_.parts.script_leaves(job);
  const bool has_steps = run_.facts.step == kBatchStep && services_.parts.has_steps(job);
  Wanted wanted{{run_, afterwards, reason, has_steps, services_.kill_wait}, std::move(answer)};
  if (busy_) {
    // One that ends the run counts more than one that does not.
    if (next_ && afterwards == Afterwards::go_on) return skip(wanted.answer, "another one is under way");
    if (next_) skip(next_->answer, "overtaken by one that ends the run");
    next_ = std::move(wanted);
    return;
  }
  busy_ = true;
  services_.loop.cancel(interval_timer_);
  if (holds_still(wanted)) tell(Message(verb::kStill).add("on", 1));
  work(
      [this, order = wanted.order, by_signal = by_signal()](const WorkerLine& line) {
        if (by_signal) {
          SystemClock clock;
          return make_signal_checkpoint(order, services_.config, services_.slurm, line, clock);
        }
        return make_checkpoint(order, services_.config, store_of(order.run, services_.store), services_.slurm, line);
      },
      [this, wanted](const Message& result) { on_checkpoint_end(wanted, result); },
      [this](const Message& news) {
        if (news.verb() == verb::kSay || news.verb() == verb::kKill) tell(news);
        if (news.verb() != "leaving") return;
        phase_ = Phase::leaving;
        run_.left = true;
      });
}

// A run that goes on from a dump is dumped: its next run would go on from there, and not read the program's own files.
bool RunKeeper::by_signal() const {
  if (run_.restored) return false;
  const auto kind = run_.protection.method.kind;
  return kind == CheckpointMethod::Kind::signal || (kind == CheckpointMethod::Kind::automatic && undumpable_);
}

bool RunKeeper::holds_still(const Wanted& wanted) const {
  if (wanted.order.afterwards == Afterwards::go_on) return false;
  return by_signal() || wanted.order.has_steps;
}

// --checkpoint-method=auto, and criu refuses the job at what would have been its first checkpoint: the same once more,
// by the signal. A script that waits for its steps is no such job.
bool RunKeeper::fall_back(const Wanted& wanted, const Message& result) {
  const bool first = result.get("number") == "1" && !run_.restored;
  const bool refused = result.verb() == "skipped" && result.get("reason") == to_string(ErrorKind::unsupported);
  if (run_.protection.method.kind != CheckpointMethod::Kind::automatic || undumpable_ || wanted.order.has_steps ||
      !first || !refused) {
    return false;
  }
  undumpable_ = true;
  if (auto& automatic = run_.protection.automatic) {
    automatic = auto_interval(run_.protection.method.patience, false, policy());
    run_.protection.interval = automatic->interval;
  }
  const std::string name = signal_name(run_.protection.method.signal);
  services_.log.warning("job={} cannot be dumped, {} is sent instead: {}", run_.name(), name, text_of(result));
  tell(Message(verb::kSay)
           .add("text", "this job cannot be dumped (" + text_of(result) + "): it gets " + name +
                            " instead, to write a checkpoint of its own"));
  return true;
}

void RunKeeper::adapt_interval(const Message& result) {
  job_pays_.note(std::chrono::milliseconds(result.get_int("frozen_us", 0, INT64_MAX).value_or(0) / 1000),
                 std::chrono::milliseconds(result.get_int("took_ms", 0, INT64_MAX).value_or(0)));
  if (!run_.protection.automatic) return;
  run_.protection.automatic = auto_interval(*job_pays_.mean(), true, policy());
  run_.protection.interval = run_.protection.automatic->interval;
}

// The job was to leave by the signal, and does not.
void RunKeeper::stay(const Message& result) {
  if (result.verb() == "lost") {
    work(
        [this, run = run_](const WorkerLine&) {
          let_go_on(run, services_.config);
          return Message("done");
        },
        [](const Message&) {});
  }
  if (phase_ != Phase::leaving) return;
  phase_ = Phase::running;
  run_.left = false;
}

void RunKeeper::on_checkpoint_end(const Wanted& wanted, const Message& result) {
  busy_ = false;
  const std::string trouble_before = record_.trouble;
  services_.metrics.checkpoint_ended(wanted.order.reason, result, record_.note(result, std::time(nullptr)));
  if (active() && fall_back(wanted, result)) {
    return checkpoint(wanted.order.afterwards, wanted.order.reason, wanted.answer);
  }
  if (wanted.answer) wanted.answer(result);
  if (result.verb() == "checkpointed") {
    adapt_interval(result);
    const auto number = [&result](const char* key) { return result.get_int(key, 0, INT64_MAX).value_or(0); };
    const DumpCost cost{static_cast<std::uint64_t>(number("memory")), static_cast<std::uint64_t>(number("fresh")),
                        std::chrono::milliseconds(number("took_ms"))};
    budget_.note(cost);
    services_.speed.note(cost);
    const auto bytes = static_cast<unsigned long long>(result.get_int("bytes", 0, INT64_MAX).value_or(0));
    services_.log.info("job={} checkpoint {} ({}) done {} in {:.2f} s, frozen {:.3f} s; bytes={} shared={} known={}",
                       run_.name(), result.get("number").value_or("?"), wanted.order.reason, format_size(bytes),
                       static_cast<double>(cost.took.count()) / 1e3,
                       static_cast<double>(result.get_int("frozen_us", 0, INT64_MAX).value_or(0)) / 1e6, bytes,
                       result.get("shared").value_or("0"), result.get("known").value_or("0"));
    if (const auto untracked = result.get("untracked")) {
      services_.log.warning("job={} a dump with only what has changed failed, one of all memory did not: {}",
                            run_.name(), *untracked);
    }
  } else if (result.verb() == "signalled") {
    services_.log.info("job={} {} ({}) sent, processes={}, took {:.1f} s", run_.name(),
                       signal_name(run_.protection.method.signal), wanted.order.reason,
                       result.get("processes").value_or("?"),
                       static_cast<double>(result.get_int("took_ms", 0, INT64_MAX).value_or(0)) / 1e3);
  } else if (result.verb() == "left") {
    services_.log.info("job={} left ({}): {}", run_.name(), wanted.order.reason, text_of(result));
  } else {
    services_.log.warning("job={} checkpoint ({}) skipped: {}", run_.name(), wanted.order.reason, text_of(result));
    // Its user has to know, once and not at every interval. A script that waits for its steps is as it should be.
    if (trouble_before.empty() && !wanted.order.has_steps) {
      const bool leaves = wanted.order.afterwards == Afterwards::leave;
      const bool stored = result.get("stored").value_or("0") == "1";
      const std::string what = by_signal() ? ""
                               : stored    ? "the job runs on: "
                               : leaves    ? "no checkpoint was made: "
                                           : "no checkpoint was made, the job runs on: ";
      tell(Message(verb::kSay).add("text", "warning: " + what + text_of(result)));
    }
    if (by_signal()) stay(result);
    if (holds_still(wanted)) tell(Message(verb::kStill).add("on", 0));
    // The signal was held back for a dump that did not come about: it is the payload's now.
    if (wanted.order.afterwards == Afterwards::leave) tell(Message(verb::kDeliver));
  }
  if (!active()) return;
  if (auto next = std::exchange(next_, std::nullopt)) {
    return checkpoint(next->order.afterwards, next->order.reason, std::move(next->answer));
  }
  schedule_next(false);
  // What slurmctld said on the way; a checkpoint that did not come about has not asked, and where it was to be the last
  // one it is tried again, but not at once for ever.
  if (result.has("restarts")) return on_job(result);
  services_.loop.after(kTryAgain, [self = shared_from_this()] {
    if (self->active()) self->look_at_job();
  });
}

// SIGTERM comes with a requeue, a cancellation and the time limit alike; Slurm's record of the job tells them apart,
// for it has changed before the signal is sent.
void RunKeeper::judge_signal() {
  // While slurmctld has not even told its name, nobody can say what the signal means.
  if (phase_ == Phase::starting) return tell(Message(verb::kDeliver));
  tell(Message(verb::kTaken));
  if (phase_ == Phase::leaving) return;
  work(
      [this, job = run_.facts.ref()](const WorkerLine&) {
        Message message("job");
        if (const auto info = services_.slurm.job(job, Deadline::in(kSlurmAnswers))) add_job_fields(message, *info);
        return message;
      },
      [this](const Message& job) {
        if (!active()) return;
        if (job.has("preempt")) return leave_preempted();
        if (job.get_int("restarts", 0, INT64_MAX).value_or(0) > run_.facts.restarts) {
          return checkpoint(Afterwards::leave, "requeued");
        }
        tell(Message(verb::kDeliver));
      });
}

std::map<std::string, double> last_checkpoints(const std::vector<RunKeeperPtr>& runs) {
  std::map<std::string, double> longest;
  for (const auto& keeper : runs) {
    if (keeper->phase() != RunKeeper::Phase::running) continue;
    double& seconds = longest[keeper->run().facts.partition];
    seconds = std::max(seconds, static_cast<double>(keeper->last_takes().count()) / 1e3);
  }
  return longest;
}

}  // namespace stasis
