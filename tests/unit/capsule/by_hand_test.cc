// SPDX-License-Identifier: Apache-2.0
// Programs that only others of ours may start, started by a curious person.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "common/unique_fd.h"
#include "tests/unit/capsule/process.h"

namespace stasis {
namespace {

void expect_refused(const Process::Start& start, const std::string& sentence) {
  Process program(start);
  EXPECT_EQ(program.rest(), sentence + "\n");
  EXPECT_EQ(program.wait(), 2 << 8);
}

TEST(ByHand, ShimIsRefused) {
  const std::string sentence = "stasis-shim: is started by Slurm's plugin only";
  const std::string shim = capsule_program("stasis-shim");
  expect_refused({.argv = {shim}, .fds = {}}, sentence);
  expect_refused({.argv = {shim, "echo", "hello"}, .fds = {}}, sentence);
  expect_refused({.argv = {shim, "1", "/bin/true"}, .fds = {}}, sentence);
  expect_refused({.argv = {shim, "77", "/bin/true"}, .fds = {}}, sentence);
  const UniqueFd file(::open("/dev/null", O_RDWR | O_CLOEXEC));
  expect_refused({.argv = {shim, "7", "/bin/true"}, .fds = {{7, file.get()}}}, sentence);
  for (const char* words : {"", ":", "7", "7:/bin/true", ":/bin/true", "x:/bin/true"}) {
    expect_refused({.argv = {shim}, .environment = {std::string("STASIS_SHIM=") + words}, .fds = {{7, file.get()}}},
                   sentence);
  }
}

TEST(ByHand, InitIsRefused) {
  const std::string sentence = "stasis-init: is started by Slurm's plugin only";
  const std::string init = capsule_program("stasis-init");
  expect_refused({.argv = {init}, .fds = {}}, sentence);
  expect_refused({.argv = {init, "3"}, .fds = {}}, sentence);
  expect_refused({.argv = {init, "x"}, .fds = {}}, sentence);
  expect_refused({.argv = {init, "3", "4"}, .fds = {}}, sentence);
}

TEST(ByHand, HookIsRefused) {
  expect_refused({.argv = {capsule_program("stasis-hook")}, .fds = {}}, "stasis-hook: is started by criu only");
}

TEST(ByHand, HookLetsCriuGoOnAtStagesItHasNoBusinessWith) {
  for (const char* stage : {"pre-dump", "network-lock", "post-restore", ""}) {
    Process hook({.argv = {capsule_program("stasis-hook")},
                  .environment = {std::string("CRTOOLS_SCRIPT_ACTION=") + stage},
                  .fds = {}});
    EXPECT_EQ(hook.wait(), 0) << stage;
  }
}

TEST(ByHand, HookWithoutADaemonMakesCriuLetTheTreeRunOn) {
  Process hook(
      {.argv = {capsule_program("stasis-hook")}, .environment = {"CRTOOLS_SCRIPT_ACTION=post-dump"}, .fds = {}});
  EXPECT_EQ(hook.wait(), 1 << 8);
}

}  // namespace
}  // namespace stasis
