// SPDX-License-Identifier: Apache-2.0
// subprocess.h - runs one program to its end: no shell, no inherited descriptors, no inherited environment.
//
// The child has /dev/null as stdin, pipes as stdout and stderr, default signal dispositions, an empty signal mask and
// a process group of its own. It is always reaped, also when it is killed at the deadline. Thread-safe. Needs Linux
// 5.11 (pidfd, close_range).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "common/deadline.h"
#include "common/result.h"

namespace stasis {

struct Command {
  std::string program;                   // an absolute path: there is no search in PATH
  std::vector<std::string> arguments;    // without the program itself
  std::vector<std::string> environment;  // "NAME=value"; the whole of it
  std::size_t output_limit = 1 << 20;    // of stdout and of stderr, each; what is beyond is read and dropped
};

struct Finished {
  int exit_code = 0;  // when signal is 0
  int signal = 0;     // the signal that ended it, or 0
  std::string out;
  std::string err;
  bool out_cut = false;  // there was more than output_limit
  bool err_cut = false;
  std::chrono::milliseconds took{0};

  bool ok() const { return signal == 0 && exit_code == 0; }
  // "exit 1", "killed by SIGKILL"
  std::string how() const;
};

// Error, when the program did not run to its end: not_found, denied or failed when it could not be started (with the
// system call and reason), timed_out when it was killed, its process group with it. A program that ran and failed is
// no error here: see Finished::ok().
Result<Finished> run(const Command& command, Deadline deadline);

}  // namespace stasis
