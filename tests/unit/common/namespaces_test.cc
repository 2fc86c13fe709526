// SPDX-License-Identifier: Apache-2.0
#include "common/namespaces.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/temp_directory.h"
#include "tests/unit/test_capsule.h"

namespace stasis {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

class Namespaces : public testing::Test {
 protected:
  void SetUp() override {
    if (!TestCapsule::possible()) GTEST_SKIP() << "needs root to make a capsule";
    capsule = std::make_unique<TestCapsule>([this] {
      ::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, nullptr);
      directory.write("inside", "");
    });
    output.reset(::open((outside / "output").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  }

  // Runs a script in the capsule and gives back its exit status, as waitpid has it.
  int run(const std::string& script, Enter enter = Enter::mounts_and_pids, const std::vector<Pass>& pass = {}) {
    const auto child = spawn_in_capsule(capsule->pidfd(), enter, {"/bin/sh", "-c", script}, output.get(), pass);
    int status = -1;
    if (child) ::waitpid(*child, &status, 0);
    return status;
  }
  std::string said() const { return outside.read("output"); }

  TempDirectory directory;  // another one inside of the capsule
  TempDirectory outside;
  UniqueFd output;
  std::unique_ptr<TestCapsule> capsule;
};

TEST_F(Namespaces, SpawnsAmongTheFilesOfTheCapsule) {
  for (const Enter enter : {Enter::mounts, Enter::mounts_and_pids}) {
    EXPECT_EQ(run("test -e " + (directory / "inside"), enter), 0);
  }
  EXPECT_FALSE(exists(directory / "inside"));
}

TEST_F(Namespaces, SpawnsAmongTheProcessesOfTheCapsuleIfAskedTo) {
  EXPECT_EQ(run("readlink /proc/self/ns/pid /proc/1/ns/pid | uniq | wc -l; echo $PPID"), 0);
  EXPECT_EQ(said(), "1\n0\n");
  // Its own /proc does not know who comes from outside.
  EXPECT_EQ(run("test -e /proc/self", Enter::mounts), 0x100);
}

TEST_F(Namespaces, StaysOutOfTheCapsulesIpc) {
  char ours[64] = "";
  ASSERT_GT(::readlink("/proc/self/ns/ipc", ours, sizeof ours - 1), 0);
  EXPECT_EQ(run("readlink /proc/self/ns/ipc"), 0);
  EXPECT_EQ(said(), std::string(ours) + "\n");
}

TEST_F(Namespaces, GivesOnlyTheDescriptorsThatArePassed) {
  const UniqueFd passed(::open((outside / "passed").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const int leaky = ::fcntl(passed.get(), F_DUPFD, 100);  // NOLINT: without close-on-exec, as some library might
  EXPECT_EQ(run("ls /proc/self/fd; echo hello >&9", Enter::mounts_and_pids, {{passed.get(), 9}}), 0);
  ::close(leaky);
  // 3 is the directory that ls reads.
  EXPECT_EQ(said(), "0\n1\n2\n3\n9\n");
  EXPECT_EQ(outside.read("passed"), "hello\n");
}

TEST_F(Namespaces, PassesDescriptorsWhoseNumbersAreEachOthers) {
  const UniqueFd a(::open((outside / "a").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  const UniqueFd b(::open((outside / "b").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_LT(a.get(), 10);
  ASSERT_LT(b.get(), 10);
  const std::string to_a = std::to_string(a.get()), to_b = std::to_string(b.get());
  EXPECT_EQ(run("echo b >&" + to_a + "; echo a >&" + to_b, Enter::mounts, {{a.get(), b.get()}, {b.get(), a.get()}}), 0);
  EXPECT_EQ(outside.read("a"), "a\n");
  EXPECT_EQ(outside.read("b"), "b\n");
}

TEST_F(Namespaces, GivesACleanEnvironmentAndNothingToRead) {
  ::setenv("STASIS_SECRET", "x", 1);
  EXPECT_EQ(run("cat; env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort"), 0);
  ::unsetenv("STASIS_SECRET");
  EXPECT_EQ(said(), "LC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n");
}

TEST_F(Namespaces, EndsAsTheProgramEnds) {
  EXPECT_EQ(run("exit 7"), 0x700);
  EXPECT_EQ(run("exit 7", Enter::mounts), 0x700);
  EXPECT_EQ(WEXITSTATUS(run("kill -TERM $$")), 128 + SIGTERM);
}

TEST_F(Namespaces, TellsACapsuleThatIsGoneFromAProgramThatIsNotThere) {
  const auto missing = spawn_in_capsule(capsule->pidfd(), Enter::mounts, {"/nowhere"}, output.get(), {});
  ASSERT_TRUE(missing);
  int status = 0;
  ::waitpid(*missing, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 127);
  capsule->end();
  EXPECT_EQ(WEXITSTATUS(run("exit 0")), 126);
}

TEST_F(Namespaces, RefusesToStartWithADescriptorThatIsNone) {
  EXPECT_EQ(WEXITSTATUS(run("exit 0", Enter::mounts, {{999, 9}})), 126);
}

TEST_F(Namespaces, CallsWorkAmongTheFilesOfTheCapsule) {
  const auto inside = call_in_capsule(capsule->pidfd(), [&] { return exists(directory / "inside") ? 42 : 1; });
  ASSERT_TRUE(inside) << inside.error().message;
  EXPECT_EQ(*inside, 42);
}

TEST_F(Namespaces, ReportsWorkThatDiesInsideOfTheCapsule) {
  const auto died = call_in_capsule(capsule->pidfd(), []() -> int {
    ::raise(SIGKILL);
    return 0;
  });
  ASSERT_FALSE(died);
  EXPECT_EQ(died.error(), (Error{ErrorKind::failed, "died inside of the capsule"}));
}

// An exception once went on into the caller's code, in the child, so that both did what came next.
TEST_F(Namespaces, LetsNoExceptionOutOfTheChild) {
  const auto threw = call_in_capsule(capsule->pidfd(), []() -> int { throw std::runtime_error("bad"); });
  ASSERT_FALSE(threw);
  EXPECT_EQ(threw.error().kind, ErrorKind::failed);
}

TEST_F(Namespaces, SaysWhenTheCapsuleIsGone) {
  capsule->end();
  const auto gone = call_in_capsule(capsule->pidfd(), [] { return 0; });
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error(), (Error{ErrorKind::not_found, "the capsule is gone"}));
}

}  // namespace
}  // namespace stasis
