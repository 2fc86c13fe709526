// SPDX-License-Identifier: Apache-2.0
// stasis-hook, run by a parent that has the daemon's line on kHookFd, as criu has.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/protocol.h"
#include "common/unique_fd.h"
#include "tests/unit/capsule/process.h"

namespace stasis {
namespace {

class Hook : public testing::Test {
 protected:
  Hook() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    daemon.reset(pair[0]);
    const UniqueFd theirs(pair[1]);
    criu = ::fork();
    if (criu == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(theirs.get(), kHookFd);
      const std::string program = capsule_program("stasis-hook");
      const pid_t hook = ::fork();
      if (hook == 0) {
        // As criu does before it runs a script.
        ::close_range(3, ~0U, 0);
        ::execle(program.c_str(), "stasis-hook", nullptr, kEnvironment);
        ::_exit(126);
      }
      daemon.reset();
      int status = 0;
      ::waitpid(hook, &status, 0);
      ::_exit(WEXITSTATUS(status));
    }
  }
  ~Hook() override { (void)end(); }

  char frozen() const {
    char word = 0;
    return ::read(daemon.get(), &word, 1) == 1 ? word : '\0';
  }
  int end() {
    int status = -1;
    if (criu > 0) ::waitpid(criu, &status, 0);
    criu = -1;
    return WEXITSTATUS(status);
  }

  static inline const char* const kEnvironment[] = {"CRTOOLS_SCRIPT_ACTION=post-dump", nullptr};
  UniqueFd daemon;
  pid_t criu = -1;
};

TEST_F(Hook, LetsCriuEndAsItsOptionsSayWhenTheDaemonAgrees) {
  ASSERT_EQ(frozen(), 'F');
  ASSERT_EQ(::write(daemon.get(), "+", 1), 1);
  EXPECT_EQ(end(), 0);
}

TEST_F(Hook, MakesCriuLetTheTreeRunOnWhenTheDaemonDoesNot) {
  ASSERT_EQ(frozen(), 'F');
  ASSERT_EQ(::write(daemon.get(), "-", 1), 1);
  EXPECT_EQ(end(), 1);
}

TEST_F(Hook, MakesCriuLetTheTreeRunOnWhenTheDaemonIsGone) {
  ASSERT_EQ(frozen(), 'F');
  daemon.reset();
  EXPECT_EQ(end(), 1);
}

}  // namespace
}  // namespace stasis
