// SPDX-License-Identifier: Apache-2.0
// process.h - a program of ours as a process that a test starts, listens to and waits for.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/unique_fd.h"

namespace stasis {

// The path of "stasis-anchor" and so on, as built.
std::string capsule_program(const std::string& name);

class Process {
 public:
  struct Start {
    std::vector<std::string> argv;
    std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    std::map<int, int> fds;                  // number there -> descriptor here
    std::function<void()> before_exec = {};  // called last in the new process
  };

  // stdout and stderr are one pipe to the test, stdin is /dev/null. Signals are as they should not be: all blocked and
  // some ignored, as some releases of Slurm leave them.
  explicit Process(const Start& start);
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  // The next line without its end, or what there is of it at the end of the output. Waits 20 s at most.
  std::string line();
  // All that is still to come, until nobody has the pipe open any more.
  std::string rest();
  // As waitpid has it; -1 when it does not end.
  int wait();

 private:
  bool read_more();

  pid_t pid_ = -1;
  UniqueFd output_;
  std::string text_;
};

}  // namespace stasis
