// SPDX-License-Identifier: Apache-2.0
// stasis-shim, with the test in the place of the capsule's init.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "common/message_socket.h"
#include "common/protocol.h"
#include "tests/unit/capsule/process.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

class Shim : public testing::Test {
 protected:
  Shim() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    init.reset(pair[0]);
    theirs.reset(pair[1]);
  }

  // Returns what it says first.
  Message start(std::vector<std::string> environment = {}) {
    environment.emplace_back("PATH=" + directory.path() + ":/usr/bin:/bin");
    return start(Process::Start{.argv = {capsule_program("stasis-shim"), "9", "/bin/sh"},
                                .environment = std::move(environment),
                                .fds = {{9, theirs.get()}}});
  }
  Message start(const Process::Start& how) {
    shim.emplace(how);
    theirs.reset();
    return hear();
  }
  Message hear() {
    auto received = receive_message(init.get(), Deadline::in(20s));
    if (!received) return Message("silence").add("why", received.error().message);
    fds = std::move(received->fds);
    return received->message;
  }
  void say(const Message& message) const { ASSERT_TRUE(send_message(init.get(), message, Deadline::in(20s))); }

  TempDirectory directory;
  UniqueFd init;
  UniqueFd theirs;
  std::vector<UniqueFd> fds;
  std::optional<Process> shim;
};

TEST_F(Shim, SaysGoWithItsStdioAndHowOftenTheJobWasRequeued) {
  EXPECT_EQ(start({"SLURM_RESTART_COUNT=4"}),
            Message(verb::kGo).add("restarts", "4").add("variables", "export SLURM_RESTART_COUNT='4'\n"));
  ASSERT_EQ(fds.size(), 3U);
  ASSERT_EQ(::write(fds[1].get(), "out\n", 4), 4);
  EXPECT_EQ(shim->line(), "out");
}

TEST_F(Shim, CountsNoRequeueWhenSlurmCountsNone) { EXPECT_EQ(start().get("restarts"), "0"); }

TEST_F(Shim, IsFoundByTheVariableWhereArgumentsCannotBeChanged) {
  EXPECT_EQ(start(Process::Start{.argv = {capsule_program("stasis-shim"), "argument"},
                                 .environment = {std::string(kShimVariable) + "=9:/bin/sh"},
                                 .fds = {{9, theirs.get()}}})
                .verb(),
            verb::kGo);
}

TEST_F(Shim, EndsAsTheRestoredPayloadEnds) {
  for (const int status : {0, 7 << 8, 255 << 8, SIGTERM, SIGKILL, SIGSEGV | 0x80}) {
    int pair[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    init.reset(pair[0]);
    theirs.reset(pair[1]);
    start();
    say(Message(verb::kRestored));
    say(Message(verb::kExit).add("status", status));
    EXPECT_EQ(shim->wait(), status & ~0x80);
  }
}

// Slurm looks for what is left of a step when its tasks have ended, and then not again for a second.
TEST_F(Shim, EndsAfterTheCapsule) {
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  start(Process::Start{.argv = {capsule_program("stasis-shim"), "9", "/bin/sh"},
                       .environment = {},
                       .fds = {{9, theirs.get()}},
                       .before_exec = [&] {
                         // In the place of init: a child of the shim's.
                         if (::fork() != 0) return;
                         char word = 0;
                         ::dup2(gate[0], 0);
                         ::close_range(3, ~0U, 0);
                         (void)!::read(0, &word, 1);
                         (void)!::write(1, "capsule\n", 8);
                         ::_exit(0);
                       }});
  say(Message(verb::kRestored));
  say(Message(verb::kExit).add("status", 7 << 8));
  EXPECT_EQ(hear().verb(), "silence") << "init is told to end";
  EXPECT_EQ(::waitpid(shim->pid(), nullptr, WNOHANG), 0) << "it waits";
  ::close(gate[0]);
  ::close(gate[1]);
  EXPECT_EQ(shim->wait(), 7 << 8);
  EXPECT_EQ(shim->line(), "capsule");
}

TEST_F(Shim, EndsWithoutACapsuleThatDoesNotEnd) {
  pid_t stays = -1;
  int told[2];
  ASSERT_EQ(::pipe(told), 0);
  start(Process::Start{.argv = {capsule_program("stasis-shim"), "9", "/bin/sh"},
                       .environment = {},
                       .fds = {{9, theirs.get()}},
                       .before_exec = [&] {
                         const pid_t child = ::fork();
                         if (child != 0) {
                           (void)!::write(told[1], &child, sizeof child);
                           return;
                         }
                         ::close_range(0, ~0U, 0);
                         while (true) ::pause();
                       }});
  ASSERT_EQ(::read(told[0], &stays, sizeof stays), static_cast<ssize_t>(sizeof stays));
  say(Message(verb::kRestored));
  say(Message(verb::kExit).add("status", 0));
  EXPECT_EQ(shim->wait(), 0);
  ::kill(stays, SIGKILL);
  ::close(told[0]);
  ::close(told[1]);
}

TEST_F(Shim, PassesSignalsOnOnceThePayloadLives) {
  start();
  say(Message(verb::kRestored));
  // Answered in order, so the shim has read "restored" before it is signalled.
  say(Message(verb::kSay).add("text", "restored"));
  EXPECT_EQ(shim->line(), "stasis: restored");
  for (const int number : {SIGTERM, SIGUSR1, SIGINT, SIGCONT, SIGWINCH}) {
    ASSERT_EQ(::kill(shim->pid(), number), 0);
    EXPECT_EQ(hear(), Message(verb::kSignal).add("number", number));
  }
  say(Message(verb::kExit).add("status", 0));
  EXPECT_EQ(shim->wait(), 0);
}

TEST_F(Shim, KeepsSignalsThatComeDuringARestore) {
  start();
  ASSERT_EQ(::kill(shim->pid(), SIGUSR1), 0);
  ASSERT_EQ(::kill(shim->pid(), SIGUSR2), 0);
  say(Message(verb::kRestored));
  EXPECT_EQ(hear(), Message(verb::kSignal).add("number", SIGUSR1));
  EXPECT_EQ(hear(), Message(verb::kSignal).add("number", SIGUSR2));
}

TEST_F(Shim, DiesOfASignalThatComesBeforeThePayload) {
  start();
  ASSERT_EQ(::kill(shim->pid(), SIGUSR1), 0);
  ASSERT_EQ(::kill(shim->pid(), SIGTERM), 0);
  EXPECT_EQ(shim->wait(), SIGTERM);
}

TEST_F(Shim, PrintsWhatIsSaidToTheJob) {
  start();
  say(Message(verb::kSay).add("text", "one").add("text", "two"));
  EXPECT_EQ(shim->line(), "stasis: one");
  EXPECT_EQ(shim->line(), "stasis: two");
}

TEST_F(Shim, EndsWithTheCodeAndTheReasonOfARefusal) {
  start();
  say(Message(verb::kRefused).add("text", "error: cannot make the capsule").add("code", 5));
  EXPECT_EQ(shim->line(), "stasis: error: cannot make the capsule");
  EXPECT_EQ(shim->wait(), 5 << 8);
}

TEST_F(Shim, PutsAJobBackAndHoldsItWhenItMustNotStartOver) {
  const std::string scontrol = directory.write("scontrol", "#!/bin/sh\necho \"$@\" >" + (directory / "calls") + "\n");
  ASSERT_EQ(::chmod(scontrol.c_str(), 0755), 0);
  start({"SLURM_JOB_ID=812"});
  say(Message(verb::kRefused).add("text", "error: it may have a checkpoint").add("code", 1).add("hold", "yes"));
  EXPECT_EQ(shim->wait(), 1 << 8);
  EXPECT_EQ(directory.read("calls"), "requeuehold 812\n");
}

TEST_F(Shim, EndsWithAWordWhenTheCapsuleDoes) {
  start();
  init.reset();
  EXPECT_EQ(shim->line(), "stasis: error: the capsule ended: connection closed by the peer");
  EXPECT_EQ(shim->wait(), 1 << 8);
}

TEST_F(Shim, CopiesWhatIsInTmpdirToTheResultFolderOfAJobThatEndsWell) {
  const TempDirectory local;
  local.write("looper.txt", "line 1\n");
  ASSERT_EQ(::mkdir((local / "plots").c_str(), 0750), 0);
  local.write("plots/a b", "plot");
  ASSERT_EQ(::symlink("/nowhere", (local / "-link").c_str()), 0);
  const std::string folder = directory / "results";
  start({"TMPDIR=" + local.path(), "RESULT_FOLDER=" + folder});
  say(Message(verb::kExit).add("status", 0));
  EXPECT_EQ(shim->wait(), 0);
  EXPECT_EQ(directory.read("results/looper.txt"), "line 1\n");
  EXPECT_EQ(directory.read("results/plots/a b"), "plot");
  struct stat status {};
  ASSERT_EQ(::stat((folder + "/plots").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0750U);
  EXPECT_EQ(::lstat((folder + "/-link").c_str(), &status), 0);
}

TEST_F(Shim, CopiesNothingOfAJobThatFailedAndNothingOfAStep) {
  const TempDirectory local;
  local.write("looper.txt", "line 1\n");
  const std::string folder = directory / "results";
  start({"TMPDIR=" + local.path(), "RESULT_FOLDER=" + folder});
  say(Message(verb::kExit).add("status", 7 << 8));
  EXPECT_EQ(shim->wait(), 7 << 8);
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  init.reset(pair[0]);
  theirs.reset(pair[1]);
  start({"TMPDIR=" + local.path(), "RESULT_FOLDER=" + folder, "SLURM_STEP_ID=0"});
  say(Message(verb::kExit).add("status", 0));
  EXPECT_EQ(shim->wait(), 0);
  EXPECT_NE(::access(folder.c_str(), F_OK), 0);
}

TEST_F(Shim, AJobWhoseResultsCannotBeCopiedHasFailed) {
  const TempDirectory local;
  local.write("looper.txt", "line 1\n");
  directory.write("file", "");
  start({"TMPDIR=" + local.path(), "RESULT_FOLDER=" + directory.path() + "/file/results"});
  say(Message(verb::kExit).add("status", 0));
  EXPECT_EQ(shim->line(), "stasis: error: RESULT_FOLDER " + directory.path() + "/file/results: Not a directory");
  EXPECT_EQ(shim->wait(), 1 << 8);
}

TEST_F(Shim, IgnoresVerbsItDoesNotKnow) {
  start();
  say(Message("news"));
  say(Message(verb::kExit).add("status", 3 << 8));
  EXPECT_EQ(shim->wait(), 3 << 8);
}

}  // namespace
}  // namespace stasis
