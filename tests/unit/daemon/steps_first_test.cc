// SPDX-License-Identifier: Apache-2.0
#include "daemon/steps_first.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/proc.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

// anchor -> script -> srun, as real processes: copies of sh, each of the name that counts.
class StepsFirst : public testing::Test {
 protected:
  void start(const std::string& srun_does) {
    std::filesystem::copy_file("/bin/sh", directory / "srun");
    const std::string script = "'" + (directory / "srun") + "' -c '" + srun_does + "'; echo went on >'" +
                               (directory / "after") + "'; sleep 600";
    anchor = ::fork();
    if (anchor == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      const pid_t child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
        ::_exit(127);
      }
      while (::waitpid(-1, nullptr, 0) > 0) {
      }
      ::_exit(0);
    }
    ASSERT_TRUE(wait_for([this] { return find(); })) << "an srun runs";
  }
  // Nobody ever writes: whoever opens it waits.
  std::string fifo() const {
    std::string path = directory / "fifo";
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }
  void TearDown() override {
    // The script before its step: when that ends it would start another process, which nobody knew of.
    for (const auto& process : tree) ::kill(process.host, SIGKILL);
    if (anchor > 0) ::waitpid(anchor, nullptr, 0);
  }
  bool find() {
    std::vector<CapsuleProcess> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const pid_t pid = static_cast<pid_t>(std::strtol(entry.path().filename().c_str(), nullptr, 10));
      const auto stat = pid > 0 ? read_proc_stat(pid) : fail(ErrorKind::not_found, "");
      if (stat) all.push_back({pid, pid, stat->parent});
    }
    tree = tree_of(all, anchor);
    return waits_for_srun(tree);
  }
  bool anchor_was_killed() {
    int status = 0;
    if (::waitpid(anchor, &status, WNOHANG) != anchor) return false;
    anchor = 0;
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  }

  TempDirectory directory;
  pid_t anchor = 0;
  std::vector<CapsuleProcess> tree;
};

TEST_F(StepsFirst, TheScriptDoesNothingAboutTheEndOfItsStep) {
  start("read line <" + fifo());
  // Ends while the script is held still.
  const pid_t step = tree.back().host;
  const pid_t killer = ::fork();
  if (killer == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const pid_t script = tree[1].host;
    (void)wait_for([&] { return read_proc_stat(script).value_or(ProcStat{}).state == 'T'; });
    ::kill(step, SIGTERM);
    ::_exit(0);
  }
  const auto done = end_after_steps(tree, Deadline::in(std::chrono::seconds(20)));
  ::waitpid(killer, nullptr, 0);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(wait_for([this] { return anchor_was_killed(); }));
  EXPECT_FALSE(std::filesystem::exists(directory / "after"));
}

TEST_F(StepsFirst, AScriptWhoseStepDoesNotEndGoesOn) {
  start("read line <" + fifo());
  const pid_t script = tree[1].host;
  const auto done = end_after_steps(tree, Deadline::in(std::chrono::milliseconds(100)));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::timed_out);
  EXPECT_TRUE(wait_for([&] { return read_proc_stat(script).value().state == 'S'; }));
}

}  // namespace
}  // namespace stasis
