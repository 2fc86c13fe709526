// SPDX-License-Identifier: Apache-2.0
#include "common/subprocess.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

Command shell(const std::string& script) { return {"/bin/sh", {"-c", script}, {"PATH=/usr/bin:/bin"}}; }

Finished finished(const Command& command) {
  auto result = run(command, Deadline::in(30s));
  if (!result) throw std::runtime_error(result.error().message);
  return *result;
}

bool no_children_left() { return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD; }

TEST(Subprocess, CapturesBothStreamsAndTheExitCode) {
  const Finished result = finished(shell("echo out; echo err >&2; exit 3"));
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(result.how(), "exit 3");
  EXPECT_TRUE(finished(shell("true")).ok());
}

TEST(Subprocess, ReportsTheSignal) {
  const Finished result = finished(shell("kill -TERM $$"));
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_EQ(result.how(), "killed by SIGTERM");
  EXPECT_FALSE(result.ok());
}

TEST(Subprocess, PassesArgumentsUntouched) {
  const Command command{"/usr/bin/printf", {"[%s]", "a b", "", "$HOME;`id`", "*"}, {}};
  EXPECT_EQ(finished(command).out, "[a b][][$HOME;`id`][*]");
}

TEST(Subprocess, GivesTheEnvironmentItIsToldAndNoOther) {
  ASSERT_EQ(::setenv("STASIS_SECRET", "x", 1), 0);
  EXPECT_EQ(finished({"/usr/bin/env", {}, {"A=1", "B="}}).out, "A=1\nB=\n");
}

TEST(Subprocess, HasNothingToRead) { EXPECT_EQ(finished({"/bin/cat", {}, {}}).out, ""); }

TEST(Subprocess, InheritsNoDescriptor) {
  const int leaky = ::open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC, as some library might
  const int high = ::fcntl(leaky, F_DUPFD, 700);    // NOLINT
  const Finished result = finished(shell("ls /proc/$$/fd; true"));
  ::close(leaky);
  ::close(high);
  EXPECT_EQ(result.out, "0\n1\n2\n");
}

TEST(Subprocess, WorksWhenOurOwnStreamsAreClosed) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(0);
    ::close(1);
    ::close(2);
    const auto result = run(shell("echo out; echo err >&2"), Deadline::in(30s));
    ::_exit(result && result->out == "out\n" && result->err == "err\n" ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Subprocess, HasDefaultSignalsWhateverOursAre) {
  sigset_t term;
  sigset_t before;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &before);
  const auto handler = std::signal(SIGUSR1, SIG_IGN);
  const Finished blocked = finished(shell("kill -TERM $$; echo survived"));
  const Finished ignored = finished(shell("kill -USR1 $$; echo survived"));
  (void)std::signal(SIGUSR1, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(blocked.signal, SIGTERM);
  EXPECT_EQ(ignored.signal, SIGUSR1);
}

TEST(Subprocess, KeepsOnlyAsMuchOutputAsAllowedButLetsTheChildEnd) {
  Command command = shell("head -c 3000000 /dev/zero; echo end >&2");
  command.output_limit = 1000;
  const Finished result = finished(command);
  EXPECT_EQ(result.out.size(), 1000U);
  EXPECT_TRUE(result.out_cut);
  EXPECT_EQ(result.err, "end\n");
  EXPECT_FALSE(result.err_cut);
  EXPECT_TRUE(result.ok());
}

TEST(Subprocess, CapturesMoreThanAPipeHolds) {
  EXPECT_EQ(finished(shell("head -c 900000 /dev/zero")).out.size(), 900000U);
}

TEST(Subprocess, IsKilledAtTheDeadlineWithWhatItStartedAndReaped) {
  const TempDirectory directory;
  pid_t grandchild = 0;
  // On a busy machine the shell may not have come that far in half a second.
  for (auto limit = 500ms; grandchild == 0 && limit < 20s; limit *= 2) {
    const auto result = run(shell("sleep 60 & echo $! >" + (directory / "pid") + "; wait"), Deadline::in(limit));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::timed_out);
    EXPECT_EQ(result.error().message, "/bin/sh: did not end in time and was killed");
    EXPECT_TRUE(no_children_left());
    std::ifstream(directory / "pid") >> grandchild;
  }
  ASSERT_GT(grandchild, 0);
  // Reaped by init some time later; until then a zombie, which is dead as well.
  const auto dead = [&] {
    std::string stat;
    std::getline(std::ifstream("/proc/" + std::to_string(grandchild) + "/stat"), stat);
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  };
  for (const Deadline soon = Deadline::in(10s); !dead() && !soon.passed();) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(dead());
}

TEST(Subprocess, DoesNotWaitForADaemonThatHoldsItsOutput) {
  const auto start = Deadline::Clock::now();
  const Finished result = finished(shell("setsid sleep 5 & echo started"));
  EXPECT_EQ(result.out, "started\n");
  EXPECT_LT(Deadline::Clock::now() - start, 4s);
}

TEST(Subprocess, TellsAProgramThatIsNotThereFromOneThatFailed) {
  const auto missing = run({"/nowhere/program", {}, {}}, Deadline::in(30s));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error(), (Error{ErrorKind::not_found, "exec /nowhere/program: No such file or directory"}));
  const auto no_program = run({"/etc/passwd", {}, {}}, Deadline::in(30s));
  ASSERT_FALSE(no_program);
  EXPECT_EQ(no_program.error().kind, ErrorKind::denied);
  EXPECT_EQ(finished(shell("exit 127")).exit_code, 127);
  EXPECT_TRUE(no_children_left());
}

TEST(Subprocess, NeverSearchesPath) {
  const auto relative = run({"true", {}, {"PATH=/bin"}}, Deadline::in(30s));
  ASSERT_FALSE(relative);
  EXPECT_EQ(relative.error().message, "run 'true': not an absolute path");
}

TEST(Subprocess, RunsFromManyThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::array<std::string, 8> outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    threads.emplace_back([&outputs, i] {
      for (int n = 0; n < 10; ++n) outputs[i] += finished({"/bin/echo", {std::to_string(i)}, {}}).out;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    std::string expected;
    for (int n = 0; n < 10; ++n) expected += std::to_string(i) + "\n";
    EXPECT_EQ(outputs[i], expected);
  }
  EXPECT_TRUE(no_children_left());
}

}  // namespace
}  // namespace stasis
