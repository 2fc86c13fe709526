// SPDX-License-Identifier: Apache-2.0
// run_keeper.h - looks after one run of a protected task from its capsule's first word to its end: has it started or
// restored, checkpoints it when it is time, and moves it on when it has to leave.
//
// Lives in the daemon's thread and never waits: what takes time is done by workers, whose words come back as callbacks.
// At most one worker at a time works on a run's checkpoints.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/message_socket.h"
#include "daemon/checkpoint.h"
#include "daemon/checkpoint_cost.h"
#include "daemon/dump_budget.h"
#include "daemon/event_loop.h"
#include "daemon/run.h"
#include "daemon/run_record.h"
#include "daemon/services.h"
#include "daemon/start.h"

namespace stasis {

class RunKeeper : public std::enable_shared_from_this<RunKeeper> {
 public:
  enum class Phase {
    starting,   // init waits for our word
    restoring,  // init runs criu
    running,
    leaving,  // the job is requeued or held, and this run about to end
  };
  // What became of a checkpoint that somebody asked for: "checkpointed" or "skipped".
  using Answer = std::function<void(const Message& result)>;

  // `hello`: init's "capsule" message, from `peer` over `socket`. corrupt: it makes no sense. lost: init is gone.
  static Result<std::shared_ptr<RunKeeper>> meet(Services& services, const Message& hello, const PeerCredentials& peer,
                                                 UniqueFd socket);

  // Begins to act. To be called once.
  void begin(const Message& hello);
  // What init says.
  void hear(const Message& message);
  // Its connection is gone. `on_end` is called when init is known to be dead; until then it may connect again, to a
  // keeper of its own, and this one must be told to retire().
  void lose_connection(std::function<void()> on_end);
  void retire();

  // Makes a checkpoint as soon as the one under way, if any, is done.
  void checkpoint(Afterwards afterwards, const std::string& reason, Answer answer = {});

  const Run& run() const { return run_; }
  Phase phase() const { return phase_; }
  const RunRecord& record() const { return record_; }
  int socket() const { return socket_.get(); }
  // A last checkpoint, if it began now, as far as anybody knows.
  std::chrono::milliseconds last_takes() const;

 private:
  struct Wanted {
    CheckpointOrder order;
    Answer answer;
  };

  RunKeeper(Services& services, Run run, UniqueFd socket, UniqueFd pidfd)
      : services_(services), run_(std::move(run)), socket_(std::move(socket)), pidfd_(std::move(pidfd)) {}

  // run_keeper.cc: how a run begins and ends
  void attach();
  void prepare();
  void on_prepared(const Message& answer);
  void on_handed_over(const Message& end);
  void restore(const Message& answer);
  std::string checkpoint_name() const;
  void give_up(const std::string& reason, bool unfit = false);
  void on_capsule_end();
  void join_job();
  void leave_job();
  void finish();

  // run_schedule.cc: what happens while it runs
  void on_running();
  void schedule_next(bool first);
  bool tries_early() const;
  void look_at_job();
  void on_job(const Message& job);
  void schedule_last();
  void look_at_memory();
  void judge_grace();
  void adapt_interval(const Message& result);
  // The program is told to write a checkpoint of its own, instead of a dump.
  bool by_signal() const;
  // Whoever waits for the program, or for srun, is stopped until the run has left.
  bool holds_still(const Wanted& wanted) const;
  bool fall_back(const Wanted& wanted, const Message& result);
  void stay(const Message& result);
  void on_checkpoint_end(const Wanted& wanted, const Message& result);
  void leave_preempted();
  void judge_signal();
  void cancel_timers();

  void tell(const Message& message, std::span<const int> fds = {});
  void work(const Workers::Work& work, const std::function<void(const Message&)>& done,
            std::function<void(const Message&)> news = {});
  bool active() const { return !over_ && phase_ == Phase::running; }
  const Policy& policy() const { return services_.config.policy_for(run_.facts.partition); }

  Services& services_;
  Run run_;
  RunRecord record_;
  UniqueFd socket_;
  UniqueFd pidfd_;  // init, beyond doubt
  Phase phase_ = Phase::starting;
  bool joined_ = false;  // its job's parts
  bool over_ = false;    // init is dead, or another keeper has taken over
  bool busy_ = false;
  bool told_to_wait_ = false;
  int working_ = 0;                // workers that have not ended yet
  std::function<void()> at_rest_;  // called once when there are none
  std::optional<Wanted> next_;
  FailedRestores failed_generations_;
  std::uint32_t restoring_generation_ = 0;
  bool streams_ = true;                        // criu restores while the memory is fetched, until that has failed once
  std::vector<std::string> lost_connections_;  // that this run goes on without
  DumpBudget budget_;
  CheckpointCost job_pays_{std::thread::hardware_concurrency()};
  bool undumpable_ = false;  // criu has refused this run, whose method lets us try the signal then
  EventLoop::TimerId interval_timer_ = 0;
  bool begins_here_ = false;  // not from a checkpoint of its own, nor before this daemon
  JobId origin_ = 0;          // the job whose checkpoint it goes on from; 0: it is itself
  std::optional<std::chrono::milliseconds> rest_of_interval_;  // behind the early first checkpoint
  std::time_t end_ = 0;                                        // of its time limit
  EventLoop::TimerId end_timer_ = 0;
  EventLoop::TimerId memory_timer_ = 0;
  bool grace_is_judged_ = false;
  EventLoop::TimerId grace_timer_ = 0;
};

using RunKeeperPtr = std::shared_ptr<RunKeeper>;

// How long the longest of their last checkpoints would take, in seconds, by partition.
std::map<std::string, double> last_checkpoints(const std::vector<RunKeeperPtr>& runs);

}  // namespace stasis
