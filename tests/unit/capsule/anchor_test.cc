// SPDX-License-Identifier: Apache-2.0
// stasis-anchor, as a process.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "tests/unit/capsule/process.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

Process::Start anchored(const std::string& script) {
  return {.argv = {capsule_program("stasis-anchor"), "/bin/sh", "-c", script, "name"}, .fds = {}};
}

TEST(Anchor, EndsWithThePayloadsExitCode) {
  for (const int code : {0, 1, 7, 126, 127, 255}) {
    Process anchor(anchored("exit " + std::to_string(code)));
    EXPECT_EQ(anchor.wait(), code << 8);
  }
}

TEST(Anchor, EndsWithThePayloadsSignalButWithoutACoreOfItsOwn) {
  for (const int number : {SIGTERM, SIGKILL, SIGSEGV, SIGABRT, SIGUSR1}) {
    Process anchor(anchored("ulimit -c 0; kill -" + std::to_string(number) + " $$"));
    const int status = anchor.wait();
    ASSERT_TRUE(WIFSIGNALED(status)) << number;
    EXPECT_EQ(WTERMSIG(status), number);
    EXPECT_FALSE(WCOREDUMP(status));
  }
}

TEST(Anchor, GivesThePayloadItsArgumentsAndEnvironment) {
  Process anchor(
      {.argv = {capsule_program("stasis-anchor"), "/bin/sh", "-c", "echo \"$0|$1|$2|$HELLO\"", "a b", "", "*"},
       .environment = {"HELLO=world"},
       .fds = {}});
  EXPECT_EQ(anchor.line(), "a b||*|world");
  EXPECT_EQ(anchor.wait(), 0);
}

TEST(Anchor, StartsThePayloadAsTheLeaderOfItsOwnProcessGroup) {
  Process anchor(anchored("read pid name state parent group rest </proc/self/stat; echo $pid $group $parent"));
  const std::string line = anchor.line();
  const auto pid = line.substr(0, line.find(' '));
  EXPECT_EQ(line, pid + " " + pid + " " + std::to_string(anchor.pid()));
  EXPECT_EQ(anchor.wait(), 0);
}

TEST(Anchor, StartsThePayloadWithDefaultSignals) {
  Process anchor(anchored("grep -e SigBlk -e SigIgn /proc/self/status"));
  EXPECT_EQ(anchor.rest(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  EXPECT_EQ(anchor.wait(), 0);
}

TEST(Anchor, HandsSignalsToThePayload) {
  for (const char* name : {"TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "ALRM", "WINCH", "CONT"}) {
    Process anchor(anchored(std::string("trap 'echo got ") + name + "; exit 3' " + name +
                            "; echo ready; while :; do sleep 0.01; done"));
    ASSERT_EQ(anchor.line(), "ready");
    const int number = [&] {
      for (int n = 1; n < NSIG; ++n) {
        if (const char* known = ::sigabbrev_np(n); known != nullptr && std::string(known) == name) return n;
      }
      return 0;
    }();
    ASSERT_EQ(::kill(anchor.pid(), number), 0);
    EXPECT_EQ(anchor.line(), std::string("got ") + name);
    EXPECT_EQ(anchor.wait(), 3 << 8);
  }
}

TEST(Anchor, OutlivesASignalThatThePayloadOutlives) {
  Process anchor(anchored("trap '' TERM; trap 'exit 4' USR2; echo ready; while :; do sleep 0.01; done"));
  ASSERT_EQ(anchor.line(), "ready");
  ASSERT_EQ(::kill(anchor.pid(), SIGTERM), 0);
  ASSERT_EQ(::kill(anchor.pid(), SIGUSR2), 0);
  EXPECT_EQ(anchor.wait(), 4 << 8);
}

TEST(Anchor, AdoptsOrphansAndReapsThem) {
  const TempDirectory directory;
  const std::string note = directory / "orphan";
  Process anchor(
      anchored("anchor=$PPID; sh -c 'sleep 100 >&- & echo $! >" + note + "'; orphan=$(cat " + note +
               "); until grep -q \"^PPid:.$anchor$\" /proc/$orphan/status; do sleep 0.01; done; echo adopted; "
               "kill $orphan; while [ -e /proc/$orphan ]; do sleep 0.01; done; echo reaped; exit 5"));
  EXPECT_EQ(anchor.line(), "adopted");
  EXPECT_EQ(anchor.line(), "reaped");
  EXPECT_EQ(anchor.wait(), 5 << 8);
}

TEST(Anchor, DoesNotTakeAnOrphansEndForThePayloads) {
  Process anchor(anchored("sh -c 'sh -c \"exit 9\" &'; sleep 0.1; exit 6"));
  EXPECT_EQ(anchor.wait(), 6 << 8);
}

TEST(Anchor, KeepsNoPipeOpenThatThePayloadHasClosed) {
  Process anchor(anchored("trap 'exit 8' USR2; echo bye; exec >&- 2>&-; while :; do sleep 0.01; done"));
  EXPECT_EQ(anchor.rest(), "bye\n");
  ASSERT_EQ(::kill(anchor.pid(), SIGUSR2), 0);
  EXPECT_EQ(anchor.wait(), 8 << 8);
}

TEST(Anchor, FailsAsSlurmstepdDoesWhenThereIsNoSuchProgram) {
  Process missing({.argv = {capsule_program("stasis-anchor"), "/nowhere/program"}, .fds = {}});
  EXPECT_EQ(missing.rest(), "stasis: error: execve(): /nowhere/program: No such file or directory\n");
  EXPECT_EQ(missing.wait(), ENOENT << 8);
  Process no_program({.argv = {capsule_program("stasis-anchor"), "/etc/passwd"}, .fds = {}});
  EXPECT_EQ(no_program.rest(), "stasis: error: execve(): /etc/passwd: Permission denied\n");
  EXPECT_EQ(no_program.wait(), EACCES << 8);
}

TEST(Anchor, WithoutAProgramIsRefused) {
  Process anchor({.argv = {capsule_program("stasis-anchor")}, .fds = {}});
  EXPECT_EQ(anchor.rest(), "stasis-anchor: runs inside of a capsule only\n");
  EXPECT_EQ(anchor.wait(), 2 << 8);
}

}  // namespace
}  // namespace stasis
