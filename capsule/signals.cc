// SPDX-License-Identifier: Apache-2.0
#include "capsule/signals.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace stasis {

sigset_t block_all_signals() noexcept {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  return all;
}

void reset_signals() noexcept {
  for (int number = 1; number <= SIGRTMAX; ++number) {
    if (number != SIGKILL && number != SIGSTOP) ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool ends_by_default(int number) noexcept {
  return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

void end_like(int status) noexcept {
  if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
  ::prctl(PR_SET_DUMPABLE, 0);
  reset_signals();
  ::raise(WTERMSIG(status));
  // A signal that does not kill by default, which no payload can have died of.
  _exit(128 + WTERMSIG(status));
}

}  // namespace stasis
