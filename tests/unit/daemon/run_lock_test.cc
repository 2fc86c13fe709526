// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_lock.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "tests/unit/temp_directory.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

class RunLock : public testing::Test {
 protected:
  bool locked() const {
    const auto lock = lock_run_directory(path);
    return !lock && lock.error().kind == ErrorKind::busy;
  }
  TempDirectory directory;
  const std::string path = directory / "local/812.batch";
};

TEST_F(RunLock, MakesTheDirectoryForItsOwnerOnly) {
  const auto lock = lock_run_directory(path);
  ASSERT_TRUE(lock) << lock.error().message;
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
}

TEST_F(RunLock, IsBusyForASecondOneUntilTheFirstIsGone) {
  auto first = lock_run_directory(path);
  ASSERT_TRUE(first);
  const auto second = lock_run_directory(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error(), (Error{ErrorKind::busy, "another operation on this run is under way"}));
  first->reset();
  EXPECT_FALSE(locked());
}

TEST_F(RunLock, OfOneRunDoesNotLockAnother) {
  const auto first = lock_run_directory(path);
  EXPECT_TRUE(lock_run_directory(directory / "local/812.0.3"));
}

TEST_F(RunLock, IsReleasedWhenItsHolderIsKilled) {
  int line[2];
  ASSERT_EQ(::pipe(line), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto lock = lock_run_directory(path);
    (void)!::write(line[1], lock ? "y" : "n", 1);
    while (true) ::pause();
  }
  char held = 0;
  ASSERT_EQ(::read(line[0], &held, 1), 1);
  EXPECT_EQ(held, 'y');
  EXPECT_TRUE(locked());
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_FALSE(locked());
  ::close(line[0]);
  ::close(line[1]);
}

// A worker that is killed may leave its criu behind, which still works on the run.
TEST_F(RunLock, IsHeldByWhoeverInheritedItUntilTheLastIsGone) {
  auto lock = lock_run_directory(path);
  ASSERT_TRUE(lock);
  const pid_t heir = ::fork();
  if (heir == 0) {
    while (true) ::pause();
  }
  lock->reset();
  EXPECT_TRUE(locked());
  ::kill(heir, SIGKILL);
  ::waitpid(heir, nullptr, 0);
  EXPECT_FALSE(locked());
}

TEST_F(RunLock, IsWaitedForAsLongAsThereIsPatience) {
  auto lock = lock_run_directory(path);
  ASSERT_TRUE(lock);
  EXPECT_EQ(lock_run_directory(path, Deadline::in(50ms)).error().kind, ErrorKind::busy);
  std::thread other([&] {
    // Somebody waits by then, or will find it free.
    lock->reset();
  });
  EXPECT_TRUE(lock_run_directory(path, Deadline::in(20s)));
  other.join();
}

TEST_F(RunLock, FollowsNoLink) {
  std::filesystem::create_directories(directory / "local");
  std::filesystem::create_directory(directory / "elsewhere");
  std::filesystem::create_directory_symlink(directory / "elsewhere", path);
  EXPECT_FALSE(lock_run_directory(path));
}

TEST_F(RunLock, SaysWhyThereCanBeNoDirectory) {
  directory.write("local", "a file");
  const auto lock = lock_run_directory(path);
  ASSERT_FALSE(lock);
  EXPECT_NE(lock.error().kind, ErrorKind::busy);
  EXPECT_NE(lock.error().message.find(directory / "local"), std::string::npos) << lock.error().message;
}

TEST(FreshDirectory, IsEmptyWhateverWasThere) {
  const TempDirectory directory;
  directory.write("victim", "keep me");
  std::filesystem::create_directories(directory / "dump/deep");
  std::filesystem::create_symlink(directory / "victim", directory / "dump/link");
  directory.write("dump/deep/file", "x");
  const auto fd = fresh_directory(directory.path(), "dump");
  ASSERT_TRUE(fd) << fd.error().message;
  EXPECT_TRUE(std::filesystem::is_empty(directory / "dump"));
  EXPECT_EQ(directory.read("victim"), "keep me");
  struct stat by_fd {
  }, by_name{};
  ASSERT_EQ(::fstat(fd->get(), &by_fd), 0);
  ASSERT_EQ(::stat((directory / "dump").c_str(), &by_name), 0);
  EXPECT_EQ(by_fd.st_ino, by_name.st_ino);
}

TEST(FreshDirectory, ReplacesALinkAndNotWhatItLeadsTo) {
  const TempDirectory directory;
  std::filesystem::create_directory(directory / "elsewhere");
  directory.write("elsewhere/file", "x");
  std::filesystem::create_directory_symlink(directory / "elsewhere", directory / "dump");
  ASSERT_TRUE(fresh_directory(directory.path(), "dump"));
  EXPECT_FALSE(std::filesystem::is_symlink(directory / "dump"));
  EXPECT_EQ(directory.read("elsewhere/file"), "x");
}

}  // namespace
}  // namespace stasis
