// SPDX-License-Identifier: Apache-2.0
// init.h - PID 1 of a capsule: makes it, has the payload started or restored, and carries words between the shim, which
// is the user's, and the daemon, which is root's.
//
// It ends when the shim does, and the kernel then ends everything in the capsule. It outlives the daemon: it connects
// again and tells all it knows, so a daemon that was restarted or upgraded finds its capsules.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/deadline.h"
#include "common/message_socket.h"
#include "common/task_facts.h"
#include "common/unique_fd.h"

namespace stasis {

class CapsuleInit {
 public:
  // `shim`: the socket whose other end the shim inherits; the plugin's "capsule" message waits in it.
  explicit CapsuleInit(UniqueFd shim) : shim_(std::move(shim)) {}

  [[noreturn]] void run();

 private:
  enum class State {
    waiting,  // for the shim's "go"
    asking,   // the daemon: start, restore or hold?
    running,  // the payload lives
  };

  void wait_for_shim();
  void prepare();

  void from_shim();
  void from_daemon();
  void reap();
  void on_time();
  int poll_timeout() const;

  void connect();
  void lose_daemon();
  void start_fresh();
  void restore(const Message& order, std::vector<UniqueFd> fds);
  void on_criu_end(int status, bool root_ended);
  void take_signal(int number);
  void deliver(int number);
  // The task ends, with `text` for its user unless that is empty.
  [[noreturn]] void refuse(const std::string& text, bool hold);

  void tell_shim(const Message& message, std::span<const int> fds = {});
  void tell_daemon(const Message& message);

  UniqueFd shim_;
  UniqueFd signals_;
  UniqueFd daemon_;  // holds -1 while there is no connection
  std::vector<UniqueFd> stdio_;
  TaskFacts facts_;  // repeated to each daemon
  bool keep_tmp_ = false;
  bool tree_signalled_ = false;
  // The daemon's notes, kept for the next one: when the job's first protected run began, and the nodes its user
  // excluded.
  std::int64_t first_start_ = 0;
  std::string excluded_;
  std::int64_t number_ = 0;  // of the checkpoint it was told to go on from
  std::string tmp_holder_;
  std::string variables_;  // Slurm's, of this run

  State state_ = State::waiting;
  pid_t root_ = 0;             // the payload tree's root, in this PID namespace
  bool root_is_ours_ = false;  // restored: init is its parent and learns its end
  pid_t criu_ = 0;
  bool still_ = false;                 // the daemon holds the payload still
  std::optional<int> pending_signal_;  // a SIGTERM the daemon is asked about
  Deadline signal_until_ = Deadline::never();
  Deadline reconnect_at_ = Deadline::never();
  Deadline answer_until_ = Deadline::never();  // for the daemon's word on how to start
};

}  // namespace stasis
