// SPDX-License-Identifier: Apache-2.0
#include "capsule/stdio.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

// In a child with these descriptors as its stdio, for it is the process's own; `check` says true after reopen_stdio().
class Stdio : public testing::Test {
 protected:
  static bool holds(int in, int out, int err, const std::function<bool()>& check) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(in, 0);
      ::dup2(out, 1);
      ::dup2(err, 2);
      reopen_stdio();
      ::_exit(check() ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status == 0;
  }
  int open(const std::string& name, int flags) const {
    return ::open((directory / name).c_str(), flags | O_CLOEXEC | O_CREAT, 0600);
  }
  // Two descriptors of one description move together.
  static bool one_description(int a, int b) {
    const off_t before = ::lseek(a, 0, SEEK_CUR);
    ::lseek(a, before + 7, SEEK_SET);
    const bool moved = ::lseek(b, 0, SEEK_CUR) == before + 7;
    ::lseek(a, before, SEEK_SET);
    return moved && ::lseek(b, 0, SEEK_CUR) == before;
  }
  static int flags(int fd) { return ::fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC); }

  TempDirectory directory;
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
};

TEST_F(Stdio, IsOpenedAnewByItsPaths) {
  directory.write("in", "0123456789");
  const int in = open("in", O_RDONLY), out = open("out", O_WRONLY), err = open("err", O_WRONLY);
  EXPECT_TRUE(holds(in, out, err, [&] {
    return !one_description(0, in) && !one_description(1, out) && !one_description(2, err) && !one_description(1, 2);
  }));
}

TEST_F(Stdio, KeepsOffsetsAndFlags) {
  directory.write("in", "0123456789");
  const int in = open("in", O_RDONLY), out = open("out", O_WRONLY | O_APPEND),
            err = open("err", O_RDWR | O_SYNC | O_NONBLOCK);
  ::lseek(in, 4, SEEK_SET);
  ASSERT_EQ(::write(out, "abc", 3), 3);
  ASSERT_EQ(::write(err, "defgh", 5), 5);
  EXPECT_TRUE(holds(in, out, err, [&] {
    char byte = 0;
    return ::read(0, &byte, 1) == 1 && byte == '4' && ::lseek(1, 0, SEEK_CUR) == 3 && ::lseek(2, 0, SEEK_CUR) == 5 &&
           flags(0) == O_RDONLY && flags(1) == (O_WRONLY | O_APPEND) && flags(2) == flags(err) &&
           ::fcntl(0, F_GETFD) == 0 && ::fcntl(1, F_GETFD) == 0 && ::fcntl(2, F_GETFD) == 0;
  }));
  EXPECT_EQ(directory.read("out"), "abc");
}

TEST_F(Stdio, LeavesStdoutAndStderrOneDescriptionIfTheyWereOne) {
  const int out = open("out", O_WRONLY);
  ASSERT_EQ(::write(out, "before ", 7), 7);
  EXPECT_TRUE(holds(null, out, out, [&] {
    return one_description(1, 2) && !one_description(1, out) && ::write(1, "one ", 4) == 4 &&
           ::write(2, "two ", 4) == 4;
  }));
  EXPECT_EQ(directory.read("out"), "before one two ");
}

TEST_F(Stdio, LeavesADeletedFileAlone) {
  const int out = open("out", O_WRONLY);
  std::filesystem::remove(directory / "out");
  EXPECT_TRUE(holds(null, out, out, [&] { return one_description(1, out); }));
}

TEST_F(Stdio, LeavesAFileAloneThatAnotherHasReplaced) {
  const int out = open("out", O_WRONLY);
  std::filesystem::rename(directory / "out", directory / "moved");
  std::filesystem::remove(directory / "moved");
  directory.write("out", "another's");
  // What /proc calls a deleted file is a name that can exist.
  directory.write("moved (deleted)", "another's");
  EXPECT_TRUE(holds(null, out, null, [&] { return one_description(1, out) && ::write(1, "mine", 4) == 4; }));
  EXPECT_EQ(directory.read("out"), "another's");
  EXPECT_EQ(directory.read("moved (deleted)"), "another's");
}

TEST_F(Stdio, FollowsAFileThatWasRenamed) {
  const int out = open("out", O_WRONLY);
  std::filesystem::rename(directory / "out", directory / "moved");
  EXPECT_TRUE(holds(null, out, null, [&] { return !one_description(1, out) && ::write(1, "mine", 4) == 4; }));
  EXPECT_EQ(directory.read("moved"), "mine");
}

TEST_F(Stdio, LeavesAPipeAlone) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_TRUE(holds(null, ends[1], ends[1], [] { return ::write(1, "one ", 4) == 4 && ::write(2, "two", 3) == 3; }));
  char text[8] = "";
  EXPECT_EQ(::read(ends[0], text, sizeof text), 7);
  EXPECT_STREQ(text, "one two");
}

TEST_F(Stdio, ReopensNothingIntoClosedDescriptors) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int fd = 0; fd < 3; ++fd) ::close(fd);
    reopen_stdio();
    for (int fd = 0; fd < 3; ++fd) {
      if (::fcntl(fd, F_GETFD) >= 0) ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(Stdio, LeavesAloneWhatTheUserMayNotOpen) {
  if (::getuid() != 0) GTEST_SKIP() << "needs root to give a descriptor away";
  const int out = open("out", O_WRONLY);
  ASSERT_EQ(::chmod(directory.path().c_str(), 0700), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(out, 1);
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(2);
    reopen_stdio();
    ::_exit(one_description(1, out) ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace stasis
