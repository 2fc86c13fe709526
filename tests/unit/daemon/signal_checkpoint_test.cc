// SPDX-License-Identifier: Apache-2.0
#include "daemon/signal_checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/message_socket.h"
#include "daemon/process_signal.h"
#include "tests/unit/daemon/fake_slurm.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/test_capsule.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Calls = std::vector<std::string>;

// init -> anchor -> script -> program, as real processes in a capsule. The program is a copy of sh under another name,
// so that it counts as one.
class SignalCheckpoint : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestCapsule::possible()) GTEST_SKIP() << "needs root";
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ours.reset(pair[0]);
    theirs.reset(pair[1]);
    std::filesystem::copy_file("/bin/sh", directory / "program");
    config.local = directory / "local";
    job.state = "RUNNING";
    job.requeue = true;
    slurm.jobs = {job};
    order.afterwards = Afterwards::requeue;
    order.run.facts.job = 812;
    order.run.facts.step = kBatchStep;
    order.run.facts.uid = ::getuid();
    order.run.protection.method = {CheckpointMethod::Kind::signal, SIGUSR1, 30s};
  }

  // `on_signal`: what the program does about SIGUSR1 and SIGTERM, after it has written its checkpoint.
  void start(const std::string& on_signal) {
    const std::string program = "trap 'echo saved >>" + (directory / "saved") + "; " + on_signal +
                                "' USR1 TERM; echo ready >" + (directory / "ready") + "; while :; do sleep 0.02; done";
    const std::string script = "PATH=/usr/bin:/bin; " + (directory / "program") + " -c \"" + program +
                               "\"; echo went on >" + (directory / "after");
    capsule = std::make_unique<TestCapsule>([&] {
      if (::fork() != 0) return;
      const pid_t child = ::fork();
      if (child == 0) {
        ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
        ::_exit(127);
      }
      ::waitpid(child, nullptr, 0);
      ::_exit(0);
    });
    order.run.init = capsule->init();
    order.run.init_pidfd = capsule->pidfd();
    ASSERT_TRUE(wait_for([this] { return there("ready"); }));
    const auto processes = capsule_processes(capsule->init()).value();
    for (const auto& process : processes) {
      if (process.parent == capsule->init()) anchor = process;
    }
    order.run.root = anchor.inside;
    ASSERT_GT(anchor.inside, 1);
  }
  bool there(const char* name) const { return std::filesystem::exists(directory / name); }
  bool ended() const {
    return wait_for([this] { return has_ended(anchor.host); });
  }
  Message make() {
    SystemClock clock;
    return make_signal_checkpoint(order, config, slurm, WorkerLine(theirs.get()), clock);
  }
  Calls told() const {
    Calls words;
    while (const auto message = receive_message(ours.get(), Deadline::in(0s))) {
      words.push_back(message->message.verb() + " " + std::string(message->message.get("text").value_or("")));
    }
    return words;
  }
  static std::string text(const Message& message) { return std::string(message.get("text").value_or("")); }

  TempDirectory directory;
  UniqueFd ours;
  UniqueFd theirs;
  Config config;
  FakeSlurm slurm;
  JobInfo job;
  CheckpointOrder order;
  std::unique_ptr<TestCapsule> capsule;
  CapsuleProcess anchor;
};

TEST_F(SignalCheckpoint, AtAnIntervalTheProgramIsToldAndRunsOn) {
  start(":");
  order.afterwards = Afterwards::go_on;
  const Message result = make();
  EXPECT_EQ(result.verb(), "signalled") << text(result);
  EXPECT_EQ(result.get("processes"), "1");
  EXPECT_TRUE(wait_for([this] { return there("saved"); }));
  EXPECT_FALSE(has_ended(anchor.host));
  EXPECT_EQ(told(), Calls());
  EXPECT_EQ(slurm.calls, Calls());
}

// Its script would go on as if the program were done, and its job be COMPLETED.
TEST_F(SignalCheckpoint, AProgramThatEndsWellIsRequeuedBeforeAnybodySeesIt) {
  start("exit 0");
  const Message result = make();
  EXPECT_EQ(result.verb(), "signalled") << text(result);
  EXPECT_EQ(slurm.calls, Calls{"requeue 812"});
  EXPECT_TRUE(ended());
  EXPECT_TRUE(there("saved"));
  EXPECT_FALSE(there("after"));
  EXPECT_EQ(told(), (Calls{"leaving ", "say job 812: SIGUSR1 sent, 30 s for the program to write its checkpoint",
                           "say job 812 requeued, its script will start again", "kill "}));
}

TEST_F(SignalCheckpoint, AProgramThatRunsOnHasTheTimeItAskedFor) {
  start(":");
  order.run.protection.method.patience = 1s;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(make().verb(), "signalled");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
  EXPECT_TRUE(ended());
  EXPECT_TRUE(there("saved"));
  EXPECT_FALSE(there("after"));
}

TEST_F(SignalCheckpoint, TheTimeIsNoMoreThanSlurmLeaves) {
  start(":");
  slurm.jobs[0]->end = std::time(nullptr) + 6;
  EXPECT_EQ(make().verb(), "signalled");
  EXPECT_EQ(told().at(1), "say job 812: SIGUSR1 sent, 1 s for the program to write its checkpoint");
}

TEST_F(SignalCheckpoint, AJobThatSlurmHasRequeuedIsNotRequeuedOnceMore) {
  start("exit 0");
  order.afterwards = Afterwards::leave;
  order.kill_wait = 10s;
  slurm.jobs[0]->state = "COMPLETING";
  EXPECT_EQ(make().verb(), "signalled");
  EXPECT_EQ(slurm.calls, Calls());
  EXPECT_EQ(told().at(1), "say job 812: SIGUSR1 sent, 10 s for the program to write its checkpoint");
  EXPECT_TRUE(ended());
}

TEST_F(SignalCheckpoint, AJobThatIsCancelledMeanwhileIsNotRequeued) {
  start("exit 0");
  JobInfo cancelled = job;
  cancelled.state = "COMPLETING";
  slurm.jobs = {job, cancelled};
  EXPECT_EQ(make().verb(), "signalled");
  EXPECT_EQ(slurm.calls, Calls());
  EXPECT_TRUE(ended());
  EXPECT_EQ(told(),
            (Calls{"leaving ", "say job 812: SIGUSR1 sent, 30 s for the program to write its checkpoint", "kill "}))
      << "nobody says that it was requeued";
}

TEST_F(SignalCheckpoint, ARequeueThatSlurmRefusesLetsEverythingGoOn) {
  start("exit 0");
  slurm.failures["requeue"] = {Error{ErrorKind::failed, "Requested operation is presently disabled"}};
  const Message result = make();
  EXPECT_EQ(result.verb(), "skipped");
  EXPECT_EQ(text(result), "Requested operation is presently disabled");
  EXPECT_TRUE(wait_for([this] { return there("after"); })) << "the program has ended, and its script sees it";
  EXPECT_TRUE(ended());
}

TEST_F(SignalCheckpoint, ASlurmctldThatIsAwayIsWaitedForWithTheJobHeldStill) {
  start("exit 0");
  slurm.failures["requeue"] = {Error{ErrorKind::busy, "Unable to contact slurm controller"}};
  EXPECT_EQ(make().verb(), "signalled");
  EXPECT_EQ(slurm.calls, (Calls{"requeue 812", "requeue 812"}));
  EXPECT_TRUE(ended());
  EXPECT_FALSE(there("after"));
}

class NothingIsSent : public SignalCheckpoint {
 protected:
  void expect_skipped(const std::string& why) {
    const Message result = make();
    EXPECT_EQ(result.verb(), "skipped");
    EXPECT_EQ(text(result), why);
    EXPECT_FALSE(there("saved"));
    EXPECT_FALSE(has_ended(anchor.host));
    EXPECT_FALSE(is_stopped(anchor.host));
    EXPECT_EQ(told(), Calls());
  }
};

TEST_F(NothingIsSent, WhenNobodyCatchesIt) {
  start(":");
  order.run.protection.method.signal = SIGUSR2;
  expect_skipped("no process of the job catches SIGUSR2, so it was not sent");
}

TEST_F(NothingIsSent, WhenItWouldEndAProgramThatIsToRunOn) {
  start("exit 0");
  order.run.protection.method.signal = SIGTERM;
  order.afterwards = Afterwards::go_on;
  expect_skipped("SIGTERM asks the program to end: it is sent when the job leaves");
}

TEST_F(NothingIsSent, WhenSlurmMayNotRequeueTheJob) {
  start("exit 0");
  slurm.jobs[0]->requeue = false;
  expect_skipped("Slurm may not requeue this job (--no-requeue), so SIGUSR1 was not sent");
}

TEST_F(NothingIsSent, WhenNobodyKnowsWhetherSlurmWould) {
  start("exit 0");
  slurm.jobs = {fail(ErrorKind::busy, "Unable to contact slurm controller")};
  expect_skipped("it is not known whether Slurm would requeue the job: Unable to contact slurm controller");
}

TEST_F(SignalCheckpoint, WhatAWorkerThatDiedHasHeldStillGoesOn) {
  start(":");
  ASSERT_TRUE(signal_process(anchor, SIGSTOP));
  ASSERT_TRUE(wait_for([this] { return is_stopped(anchor.host); }));
  let_go_on(order.run, config);
  EXPECT_TRUE(wait_for([this] { return !is_stopped(anchor.host); }));
  EXPECT_FALSE(has_ended(anchor.host));
}

TEST_F(SignalCheckpoint, AProcessThatIsNotTheOneMeantIsLeftAlone) {
  start(":");
  EXPECT_FALSE(signal_process({anchor.host, anchor.inside + 1, anchor.parent}, SIGKILL));
  EXPECT_FALSE(has_ended(anchor.host));
}

}  // namespace
}  // namespace stasis
