// SPDX-License-Identifier: Apache-2.0
#include "daemon/signal_takers.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using Pids = std::vector<pid_t>;

// 10 is the anchor; each line is {pid, parent, program, whether it takes the signal}.
SignalledProcess one(pid_t pid, pid_t parent, const char* program, bool takes) {
  return {{pid, pid, parent}, program, takes};
}
const SignalledProcess kAnchor = one(10, 1, "stasis-anchor", true);

Pids pids(const std::vector<CapsuleProcess>& processes) {
  Pids found;
  found.reserve(processes.size());
  for (const auto& process : processes) found.push_back(process.host);
  return found;
}

TEST(SignalTakers, TheProgramGetsItAndItsScriptWaits) {
  const auto plan = plan_signal({kAnchor, one(11, 10, "bash", false), one(12, 11, "python3.11", true)});
  EXPECT_EQ(pids(plan.takers), Pids{12});
  EXPECT_EQ(pids(plan.waiting), Pids{11});
}

TEST(SignalTakers, WhoDoesNotCatchItIsLeftAlone) {
  const auto plan =
      plan_signal({kAnchor, one(11, 10, "bash", false), one(12, 11, "lmp", false), one(13, 11, "tee", false)});
  EXPECT_TRUE(plan.takers.empty());
  EXPECT_TRUE(plan.waiting.empty());
}

// Python's workers inherit the handler, and would write the same file at the same time.
TEST(SignalTakers, WhatAProgramHasStartedIsItsOwnAffair) {
  const auto plan = plan_signal({kAnchor, one(11, 10, "bash", false), one(12, 11, "python3", true),
                                 one(13, 12, "python3", true), one(14, 13, "sh", true)});
  EXPECT_EQ(pids(plan.takers), Pids{12});
}

TEST(SignalTakers, EachOfSeveralProgramsGetsIt) {
  const auto plan = plan_signal({kAnchor, one(11, 10, "bash", false), one(12, 11, "gmx", true),
                                 one(13, 11, "time", false), one(14, 13, "gmx", true)});
  EXPECT_EQ(pids(plan.takers), (Pids{12, 14}));
  EXPECT_EQ(pids(plan.waiting), (Pids{11, 13}));
}

// `trap 'rm -r $TMP' EXIT` makes bash catch nearly everything, and it would die of it.
TEST(SignalTakers, AShellGetsItOnlyWhereNoProgramBelowItDoes) {
  const auto both = plan_signal({kAnchor, one(11, 10, "bash", true), one(12, 11, "gmx", true)});
  EXPECT_EQ(pids(both.takers), Pids{12});
  EXPECT_EQ(pids(both.waiting), Pids{11});
  const auto trap = plan_signal({kAnchor, one(11, 10, "bash", true), one(12, 11, "vasp_std", false)});
  EXPECT_EQ(pids(trap.takers), Pids{11});
  EXPECT_TRUE(trap.waiting.empty()) << "the script is to do what its trap says";
}

TEST(SignalTakers, OfTwoShellsTheInnerOneGetsIt) {
  const auto plan =
      plan_signal({kAnchor, one(11, 10, "bash", true), one(12, 11, "sh", true), one(13, 12, "sleep", false)});
  EXPECT_EQ(pids(plan.takers), Pids{12});
  EXPECT_EQ(pids(plan.waiting), Pids{11});
}

class SignalLooks : public testing::Test {
 protected:
  pid_t start(void (*handler)(int), bool blocks) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGUSR1, handler);
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      ::sigprocmask(blocks ? SIG_BLOCK : SIG_UNBLOCK, &set, nullptr);
      ::prctl(PR_SET_NAME, "ready");
      while (true) ::pause();
    }
    EXPECT_TRUE(wait_for([&] {
      char name[16] = "";
      const std::string path = "/proc/" + std::to_string(child) + "/comm";
      FILE* file = ::fopen(path.c_str(), "re");
      if (file == nullptr) return false;
      const bool ready = ::fgets(name, sizeof name, file) != nullptr && std::string(name) == "ready\n";
      ::fclose(file);
      return ready;
    }));
    children.push_back(child);
    return child;
  }
  static bool takes(pid_t pid) { return look_at_signals({{pid, pid, ::getpid()}}, SIGUSR1, false).at(0).takes; }
  void TearDown() override {
    for (const pid_t child : children) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  Pids children;
};

TEST_F(SignalLooks, SeeWhoCatchesOrAwaitsIt) {
  EXPECT_TRUE(takes(start([](int) {}, false)));
  EXPECT_TRUE(takes(start(SIG_DFL, true))) << "by sigwait or signalfd";
  EXPECT_FALSE(takes(start(SIG_DFL, false)));
  EXPECT_FALSE(takes(start(SIG_IGN, false)));
}

// It would be ended as soon as its child has begun.
TEST_F(SignalLooks, AreNotTakenInByAProcessThatIsStartingAnother) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "ready");
    sigset_t all;
    sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    // As posix_spawn does, for longer.
    if (::syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, nullptr, nullptr, 0) == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (true) ::pause();
    }
    ::_exit(0);
  }
  children.push_back(child);
  ASSERT_TRUE(wait_for([&] { return read_proc_stat(child).value().state == 'D'; }));
  EXPECT_FALSE(takes(child));
}

TEST_F(SignalLooks, SeeAProgramThatComputesAndLooksItself) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    while (true) {
    }
  }
  children.push_back(child);
  ASSERT_TRUE(wait_for([&] { return read_proc_status(child).value().signals_blocked != 0; }));
  EXPECT_TRUE(takes(child));
}

}  // namespace
}  // namespace stasis
