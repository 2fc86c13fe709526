// SPDX-License-Identifier: Apache-2.0
#include "capsule/signals.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace stasis {
namespace {

int status_of(const std::function<void()>& life) {
  const pid_t child = ::fork();
  if (child == 0) {
    life();
    ::_exit(99);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(EndLike, ReturnsTheSameExitCode) {
  for (const int code : {0, 1, 42, 127, 128, 255}) {
    EXPECT_EQ(status_of([&] { end_like(code << 8); }), code << 8);
  }
}

TEST(EndLike, DiesOfTheSameSignal) {
  for (const int number : {SIGHUP, SIGINT, SIGKILL, SIGTERM, SIGUSR1, SIGPIPE, SIGALRM, SIGXCPU, SIGRTMIN}) {
    const int status = status_of([&] { end_like(number); });
    EXPECT_TRUE(WIFSIGNALED(status)) << number;
    EXPECT_EQ(WTERMSIG(status), number);
  }
}

TEST(EndLike, DiesOfTheSameSignalEvenIfItIsBlockedAndIgnored) {
  const int status = status_of([] {
    block_all_signals();
    (void)std::signal(SIGTERM, SIG_IGN);
    end_like(SIGTERM);
  });
  EXPECT_EQ(status, SIGTERM);
}

TEST(EndLike, LeavesNoCoreOfItsOwn) {
  const int status = status_of([] {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    ::setrlimit(RLIMIT_CORE, &unlimited);
    end_like(SIGSEGV | 0x80);  // the payload has left one
  });
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_FALSE(WCOREDUMP(status));
}

TEST(EndLike, HasAnExitCodeForASignalThatDoesNotKill) {
  EXPECT_EQ(status_of([] { end_like(SIGCHLD); }), (128 + SIGCHLD) << 8);
}

TEST(Signals, AreBlockedAllOfThem) {
  EXPECT_EQ(status_of([] {
              const sigset_t all = block_all_signals();
              ::raise(SIGTERM);
              ::raise(SIGRTMAX);
              ::_exit(sigismember(&all, SIGTERM) == 1 && sigismember(&all, SIGCHLD) == 1 ? 0 : 1);
            }),
            0);
}

TEST(Signals, AreDefaultAndUnblockedAfterAReset) {
  EXPECT_EQ(status_of([] {
              block_all_signals();
              (void)std::signal(SIGUSR1, SIG_IGN);
              ::raise(SIGUSR2);
              reset_signals();
            }),
            SIGUSR2);
  EXPECT_EQ(status_of([] {
              (void)std::signal(SIGUSR1, SIG_IGN);
              reset_signals();
              ::raise(SIGUSR1);
            }),
            SIGUSR1);
}

}  // namespace
}  // namespace stasis
