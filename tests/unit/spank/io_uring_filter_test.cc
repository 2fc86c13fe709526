// SPDX-License-Identifier: Apache-2.0
#include "spank/io_uring_filter.h"

#include <gtest/gtest.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace stasis {
namespace {

enum Outcome { as_intended = 0, not_allowed, still_there, other_calls_fail };

Outcome deny_and_look() {
  if (!deny_io_uring()) return not_allowed;
  io_uring_params parameters{};
  if (::syscall(SYS_io_uring_setup, 4, &parameters) != -1 || errno != ENOSYS) return still_there;
  return ::getppid() > 0 && ::access("/", F_OK) == 0 ? as_intended : other_calls_fail;
}

TEST(DenyIoUring, ThereIsNoneFromThenOn) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(deny_and_look());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == not_allowed) GTEST_SKIP() << "SKIP_ needs root";
  EXPECT_EQ(WEXITSTATUS(status), as_intended);
}

}  // namespace
}  // namespace stasis
