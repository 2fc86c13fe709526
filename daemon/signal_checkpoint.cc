// SPDX-License-Identifier: Apache-2.0
#include "daemon/signal_checkpoint.h"

#include <signal.h>

#include <algorithm>
#include <ctime>
#include <optional>

#include "common/capsule_processes.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/protocol.h"
#include "daemon/process_signal.h"
#include "daemon/run_lock.h"
#include "daemon/signal_takers.h"
#include "daemon/steps_first.h"

namespace stasis {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kSlurmAnswers{60};
constexpr std::chrono::milliseconds kLookEvery{50};
// Steps get the signal, too, and then their ends have to get through srun: KillWait, 30 s by default, and some more.
constexpr std::chrono::seconds kStepsLeave{60};
// For `program | tee log` and the like, once the program's end of the pipe is closed.
constexpr std::chrono::seconds kReadersMayTake{2};
// Of the time that Slurm leaves: for the requeue.
constexpr std::chrono::seconds kRequeueTakes{5};
// A program that has ended cannot go on: its job is held still until slurmctld is back, but not for ever.
constexpr std::chrono::minutes kSlurmIsBack{10};
constexpr std::chrono::seconds kAskSlurmAgain{2};
constexpr std::chrono::seconds kDaemonPassesOn{2};

bool is_away(const Error& error) { return error.kind == ErrorKind::busy || error.kind == ErrorKind::timed_out; }

// Stopped from its making to its end, unless they are to be ended.
class HeldStill {
 public:
  explicit HeldStill(std::vector<CapsuleProcess> processes) : processes_(std::move(processes)) {
    for (const auto& process : processes_) signal_process(process, SIGSTOP);
  }
  HeldStill(const HeldStill&) = delete;
  HeldStill& operator=(const HeldStill&) = delete;
  ~HeldStill() {
    for (const auto& process : processes_) signal_process(process, SIGCONT);
  }
  // They are about to be ended: nothing of the script is to run any more.
  void for_ever() { processes_.clear(); }

 private:
  std::vector<CapsuleProcess> processes_;
};

class SignalCheckpoint {
 public:
  SignalCheckpoint(const CheckpointOrder& order, const Config& config, SlurmClient& slurm, const WorkerLine& line,
                   WorkerClock& clock)
      : order_(order), run_(order.run), config_(config), slurm_(slurm), line_(line), clock_(clock) {}

  Result<Message> make();

 private:
  Result<void> find();
  Result<Message> leave_after_steps() const;
  Result<std::chrono::seconds> time_left() const;
  Result<void> leave(std::chrono::seconds time);
  void wait_for_program(std::chrono::seconds time);
  Result<bool> requeue();
  void end();
  template <class Done>
  void wait_until(Done done, std::chrono::milliseconds time);
  void say(const std::string& text) const {
    line_.tell(Message(verb::kSay).add("text", "job " + std::to_string(run_.facts.job) + text));
  }
  std::string signal() const { return signal_name(run_.protection.method.signal); }

  const CheckpointOrder& order_;
  const Run& run_;
  const Config& config_;
  SlurmClient& slurm_;
  const WorkerLine& line_;
  WorkerClock& clock_;
  std::vector<CapsuleProcess> tree_;
  SignalPlan plan_;
};

Result<Message> SignalCheckpoint::make() {
  const auto start = Clock::now();
  const std::string directory = local_directory(config_, run_.facts);
  STASIS_LET(const UniqueFd lock, lock_run_directory(directory, Deadline::in(kOthersEnd)));
  STASIS_TRY(find());
  const bool waits = order_.has_steps && waits_for_srun(tree_);
  if (waits && order_.afterwards == Afterwards::leave) return leave_after_steps();
  if (plan_.takers.empty()) {
    return fail(ErrorKind::unsupported, waits ? "the script waits for srun; its tasks are signalled each for itself"
                                              : "no process of the job catches " + signal() + ", so it was not sent");
  }
  Message result("signalled");
  result.add("processes", static_cast<std::int64_t>(plan_.takers.size()));
  if (order_.afterwards == Afterwards::go_on) {
    if (asks_to_end(run_.protection.method.signal)) {
      return fail(ErrorKind::denied, signal() + " asks the program to end: it is sent when the job leaves");
    }
    for (const auto& taker : plan_.takers) signal_process(taker, run_.protection.method.signal);
  } else {
    STASIS_LET(const std::chrono::seconds time, time_left());
    STASIS_TRY(leave(time));
    remove_locked_run_directory(directory);
  }
  return result.add("took_ms", std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
}

// Root is about to signal for a user: nothing but what is his.
Result<void> SignalCheckpoint::find() {
  STASIS_LET(const auto processes, capsule_processes(run_.init));
  tree_ = tree_of(processes, run_.root);
  if (tree_.empty()) return fail(ErrorKind::not_found, "the payload has ended");
  STASIS_LET(const ProcStatus status, read_proc_status(tree_.front().host));
  if (status.uid.real != run_.facts.uid) return fail(ErrorKind::denied, "the tree's root is another user's");
  plan_ = plan_signal(look_at_signals(tree_, run_.protection.method.signal, order_.has_steps));
  return {};
}

Result<Message> SignalCheckpoint::leave_after_steps() const {
  STASIS_TRY(end_after_steps(tree_, Deadline::in(run_.protection.method.patience + kStepsLeave)));
  line_.tell(Message("leaving"));
  return Message("left").add("text", "its script waited for srun and has ended after its steps");
}

// What the program asked for, as far as Slurm gives it. A job that cannot come back is not made to leave: nothing is
// begun that slurmctld may not allow in the end.
Result<std::chrono::seconds> SignalCheckpoint::time_left() const {
  const std::chrono::seconds wanted = run_.protection.method.patience;
  const auto job = slurm_.job(run_.facts.ref(), Deadline::in(kSlurmAnswers));
  if (!job) {
    // It has been requeued, or its grace time runs: nothing depends on the answer.
    if (order_.afterwards == Afterwards::leave) return wanted;
    return fail(job.error().context("it is not known whether Slurm would requeue the job"));
  }
  if (order_.afterwards == Afterwards::requeue && !job->requeue) {
    return fail(ErrorKind::denied, "Slurm may not requeue this job (--no-requeue), so " + signal() + " was not sent");
  }
  if (!job->running()) return std::min(wanted, order_.kill_wait);
  if (!job->end) return wanted;
  const auto left = std::chrono::seconds(*job->end - std::time(nullptr)) - kRequeueTakes;
  return std::clamp(left, std::chrono::seconds(1), wanted);
}

Result<void> SignalCheckpoint::leave(std::chrono::seconds time) {
  std::vector<CapsuleProcess> held{tree_.front()};
  held.insert(held.end(), plan_.waiting.begin(), plan_.waiting.end());
  line_.tell(Message("leaving"));
  say(": " + signal() + " sent, " + std::to_string(time.count()) + " s for the program to write its checkpoint");
  HeldStill still(std::move(held));
  for (const auto& taker : plan_.takers) signal_process(taker, run_.protection.method.signal);
  wait_for_program(time);
  STASIS_LET(const bool requeued, requeue());
  if (requeued) say(" requeued, its script will start again");
  still.for_ever();
  end();
  return {};
}

// The end of the tree is the end of its capsule, and of everything in it. The daemon passes the order on behind what it
// was told to say; without a daemon nothing is said.
void SignalCheckpoint::end() {
  const CapsuleProcess& root = tree_.front();
  line_.tell(Message(verb::kKill));
  wait_until([&] { return has_ended(root.host); }, kDaemonPassesOn);
  if (!has_ended(root.host)) signal_process(root, SIGKILL);
}

void SignalCheckpoint::wait_for_program(std::chrono::seconds time) {
  const auto ended = [](const CapsuleProcess& process) { return has_ended(process.host); };
  wait_until([&] { return std::all_of(plan_.takers.begin(), plan_.takers.end(), ended); }, time);
  if (!std::all_of(plan_.takers.begin(), plan_.takers.end(), ended)) return;
  const auto waits = [&](const CapsuleProcess& process) {
    return std::find(plan_.waiting.begin(), plan_.waiting.end(), process) != plan_.waiting.end();
  };
  wait_until(
      [&] {
        return std::all_of(tree_.begin() + 1, tree_.end(),
                           [&](const auto& process) { return waits(process) || ended(process); });
      },
      std::min<std::chrono::milliseconds>(kReadersMayTake, time));
}

// False: somebody else has decided about the job meanwhile, its user, who has cancelled it, or Slurm.
Result<bool> SignalCheckpoint::requeue() {
  if (order_.afterwards == Afterwards::leave) return true;
  const auto give_up = clock_.now() + kSlurmIsBack;
  while (true) {
    const auto job = slurm_.job(run_.facts.ref(), Deadline::in(kSlurmAnswers));
    if (job && !job->running()) return false;
    const Result<void> done = job ? slurm_.requeue(run_.facts.ref(), Deadline::in(kSlurmAnswers)) : fail(job.error());
    if (done) return true;
    if (!is_away(done.error()) || clock_.now() >= give_up) return fail(done.error());
    clock_.pause(kAskSlurmAgain);
  }
}

template <class Done>
void SignalCheckpoint::wait_until(Done done, std::chrono::milliseconds time) {
  for (const auto until = clock_.now() + time; !done() && clock_.now() < until;) clock_.pause(kLookEvery);
}

}  // namespace

Message make_signal_checkpoint(const CheckpointOrder& order, const Config& config, SlurmClient& slurm,
                               const WorkerLine& line, WorkerClock& clock) {
  auto result = SignalCheckpoint(order, config, slurm, line, clock).make();
  if (result) return std::move(*result);
  return Message("skipped")
      .add("reason", to_string(result.error().kind))
      .add("text", printable(result.error().message));
}

void let_go_on(const Run& run, const Config& config) {
  const auto lock = lock_run_directory(local_directory(config, run.facts));
  const auto processes = capsule_processes(run.init);
  if (!lock || !processes) return;
  const auto tree = tree_of(*processes, run.root);
  for (auto process = tree.rbegin(); process != tree.rend(); ++process) {
    if (is_stopped(process->host)) signal_process(*process, SIGCONT);
  }
}

}  // namespace stasis
