// SPDX-License-Identifier: Apache-2.0
// stasis-hook - what criu runs at each stage of a dump (--action-script). At "post-dump" the images are written and the
// tree still stands frozen: the hook says so on kHookFd and waits for one byte back. '+' lets criu go on to its end, as
// its options say; anything else, or nobody there any more, makes criu let the tree run on, unharmed.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/protocol.h"

int main() {
  const char* action = std::getenv("CRTOOLS_SCRIPT_ACTION");
  if (action == nullptr) {
    std::fprintf(stderr, "stasis-hook: is started by criu only\n");
    return 2;
  }
  if (std::strcmp(action, "post-dump") != 0) return 0;
  // criu closes everything before it runs its scripts, so the line is fetched from criu itself, our parent.
  const int criu = static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0));
  const int line = static_cast<int>(::syscall(SYS_pidfd_getfd, criu, stasis::kHookFd, 0));
  if (line < 0 || ::write(line, "F", 1) != 1) return 1;
  char answer = 0;
  ssize_t got = 0;
  do {
    got = ::read(line, &answer, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 && answer == '+' ? 0 : 1;
}
