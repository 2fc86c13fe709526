// SPDX-License-Identifier: Apache-2.0
// stasis-anchor PROGRAM [ARG...] - the root of the process tree that is dumped.
//
// Between the payload and the capsule's init there has to be somebody who is dumped and restored along: a dump takes
// one tree, and what a program orphans would hang below init, outside of it. So the anchor adopts orphans (a child
// subreaper), reaps them, hands signals to the payload and ends as the payload ends. It runs as the job's user, from a
// copy that travels with the checkpoint, so that an upgrade never meets an old checkpoint.
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "capsule/signals.h"

namespace {

// As slurmstepd words it, and with its exit code, which is errno.
[[noreturn]] void exec_payload(char** argv) {
  ::setpgid(0, 0);
  stasis::reset_signals();
  ::execv(argv[0], argv);
  const int error = errno;
  std::fprintf(stderr, "stasis: error: execve(): %s: %s\n", argv[0], std::strerror(error));
  _exit(error);
}

// The payload has its own copies; ours would keep pipes open that it closes.
void let_go_of_stdio() {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "stasis-anchor: runs inside of a capsule only\n");
    return 2;
  }
  const sigset_t all = stasis::block_all_signals();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "stasis-anchor");

  const pid_t payload = ::fork();
  if (payload < 0) {
    const int error = errno;
    std::fprintf(stderr, "stasis: error: fork: %s\n", std::strerror(error));
    return error;
  }
  if (payload == 0) exec_payload(argv + 1);
  // Both sides do it, so that the group exists before either goes on.
  ::setpgid(payload, payload);
  let_go_of_stdio();

  while (true) {
    siginfo_t info;
    if (::sigwaitinfo(&all, &info) < 0) continue;
    if (info.si_signo != SIGCHLD) {
      ::kill(payload, info.si_signo);
      continue;
    }
    int status = 0;
    for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (child == payload) stasis::end_like(status);
    }
  }
}
