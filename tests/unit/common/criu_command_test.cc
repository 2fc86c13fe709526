// SPDX-License-Identifier: Apache-2.0
#include "common/criu_command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/paths.h"

namespace stasis {
namespace {

using Words = std::vector<std::string>;

Words common_words(const std::string& action, const std::string& log, const std::string& says = "-v3") {
  return {"/usr/sbin/criu",
          action,
          "--no-default-config",
          "--libdir",
          kCriuPlugins,
          "--images-dir",
          "/proc/self/fd/210",
          "--work-dir",
          "/proc/self/fd/210",
          "--log-file",
          log,
          says,
          "--file-locks",
          "--tcp-established",
          "--network-lock",
          "skip",
          "--ext-unix-sk",
          "--link-remap",
          "--manage-cgroups=ignore"};
}

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

TEST(CriuCommand, DumpsATreeThatGoesOn) {
  DumpOptions options;
  options.root = 1000;
  options.timeout = std::chrono::seconds(120);
  const Words own{"--tree",    "1000", "--action-script", kHookProgram, "--ghost-limit", "1G",
                  "--timeout", "120",  "--leave-running", "--stream"};
  EXPECT_EQ(criu_dump_command("/usr/sbin/criu", options), common_words("dump", "dump.log") + own);
}

TEST(CriuCommand, DumpsATreeThatEnds) {
  DumpOptions options;
  options.root = 1000;
  options.leave_running = false;
  const auto words = criu_dump_command("/usr/sbin/criu", options);
  EXPECT_EQ(std::count(words.begin(), words.end(), "--leave-running"), 0);
}

TEST(CriuCommand, LeavesOutWhatIsKnown) {
  DumpOptions options;
  options.root = 1000;
  options.known = ".known";
  const auto words = criu_dump_command("/usr/sbin/criu", options);
  // Criu streams no such dump.
  EXPECT_EQ(std::count(words.begin(), words.end(), "--stream"), 0);
  EXPECT_EQ(Words(words.end() - 3, words.end()), (Words{"--track-mem", "--prev-images-dir", ".known"}));
}

TEST(CriuCommand, TracksFromNowOn) {
  DumpOptions options;
  options.root = 1000;
  options.track_memory = true;
  const auto words = criu_dump_command("/usr/sbin/criu", options);
  EXPECT_EQ(Words(words.end() - 2, words.end()), (Words{"--track-mem", "--stream"}));
}

TEST(CriuCommand, RestoresWithTheNewTasksPipesInThePlaceOfTheOld) {
  const RestoreOptions options{{"/dev/null", "pipe:[4711]", "pipe:[4712]"}, false};
  const Words own{"--restore-detached", "--inherit-fd", "fd[201]:pipe:[4711]", "--inherit-fd", "fd[202]:pipe:[4712]"};
  EXPECT_EQ(criu_restore_command("/usr/sbin/criu", options), common_words("restore", "restore.log") + own);
}

TEST(CriuCommand, RestoresFilesByThemselves) {
  const RestoreOptions options{{"/dev/null", "/home/alice/slurm-2.out", ""}, true};
  EXPECT_EQ(criu_restore_command("/usr/sbin/criu", options),
            common_words("restore", "restore.log", "-v2") + Words({"--restore-detached", "--stream"}));
}

// The link is the job's own doing: a file may be called that, below some directory.
TEST(CriuCommand, TakesNothingForAPipeThatOnlyEndsLikeOne) {
  const RestoreOptions options{{"/tmp/pipe:[1]", "socket:[5]", "pipe"}, false};
  EXPECT_EQ(criu_restore_command("/usr/sbin/criu", options).back(), "--restore-detached");
}

}  // namespace
}  // namespace stasis
