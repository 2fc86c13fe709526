// SPDX-License-Identifier: Apache-2.0
#include "spank/script_peek.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kLong{20};

struct Ends {
  UniqueFd read, write;
};
Ends pipe_ends() {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}
void put(const UniqueFd& fd, const std::string& text) {
  ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}
std::string take(const UniqueFd& fd) {
  char bytes[4096];
  const ssize_t got = ::read(fd.get(), bytes, sizeof bytes);
  return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : "";
}

const std::string kScript = "#!/bin/sh\n#SBATCH --no-requeue\n\necho hello\n";

TEST(ScriptPeek, LeavesTheScriptInThePipe) {
  const Ends pipe = pipe_ends();
  put(pipe.write, kScript);
  EXPECT_EQ(peek_script(pipe.read.get(), kLong), kScript);
  EXPECT_EQ(peek_script(pipe.read.get(), kLong), kScript);
  EXPECT_EQ(take(pipe.read), kScript);
}

TEST(ScriptPeek, LeavesTheScriptInASocket) {
  int fds[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
  const UniqueFd read(fds[0]);
  const UniqueFd write(fds[1]);
  put(write, kScript);
  EXPECT_EQ(peek_script(read.get(), kLong), kScript);
  EXPECT_EQ(take(read), kScript);
}

TEST(ScriptPeek, WaitsForEveryLineThatMayHoldOptions) {
  const Ends pipe = pipe_ends();
  put(pipe.write, "#!/bin/sh\n#SBATCH -n1\n");
  std::thread writer([&] {
    EXPECT_EQ(peek_script(pipe.read.get(), std::chrono::milliseconds(30)), std::nullopt);
    put(pipe.write, "#SBATCH --open-mode=truncate\nls\n");
  });
  const auto text = peek_script(pipe.read.get(), kLong);
  writer.join();
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("truncate"), std::string::npos);
}

TEST(ScriptPeek, AScriptOfCommentsEndsWithItsWriter) {
  Ends pipe = pipe_ends();
  put(pipe.write, "#!/bin/sh\n#SBATCH -n1\n");
  pipe.write.reset();
  EXPECT_EQ(peek_script(pipe.read.get(), kLong), "#!/bin/sh\n#SBATCH -n1\n");
}

TEST(ScriptPeek, DoesNotLookAtFilesAndDevices) {
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(peek_script(null.get(), kLong), std::nullopt);
}

}  // namespace
}  // namespace stasis
