// SPDX-License-Identifier: Apache-2.0
// worker.h - one operation in a process of its own, because it may block for long: on slurmctld, on criu, on a shared
// file system that hangs. The daemon itself never waits.
//
// A worker outlives the daemon on purpose: a dump under way is finished and published by a worker whose daemon was
// killed. What must not happen twice at once is guarded by a lock the worker takes (run_lock.h).
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "common/message.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/event_loop.h"

namespace stasis {

// What a worker can say to its daemon while it works. Nobody listening is no error.
class WorkerLine {
 public:
  explicit WorkerLine(int socket) : socket_(socket) {}
  void tell(const Message& message) const;

 private:
  int socket_;
};

class Workers {
 public:
  // Runs in the worker; what it returns is the last thing the daemon hears of it.
  using Work = std::function<Message(const WorkerLine&)>;
  // Called for each message; the last one has `ended` set. A worker that died without a word gives "lost" as its last.
  using Hear = std::function<void(const Message& message, bool ended)>;

  explicit Workers(EventLoop& loop) : loop_(loop) {}

  // `keep`: descriptors the work needs; all others of the daemon are closed in the worker.
  Result<void> start(const std::vector<int>& keep, const Work& work, Hear hear);

  std::size_t count() const { return running_.size(); }
  // To be called on SIGCHLD.
  void reap();

 private:
  struct Running {
    pid_t pid = 0;
    UniqueFd socket;
    Hear hear;
  };

  void on_readable(int socket);

  EventLoop& loop_;
  std::map<int, Running> running_;
};

}  // namespace stasis
