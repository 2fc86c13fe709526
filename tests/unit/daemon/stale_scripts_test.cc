// SPDX-License-Identifier: Apache-2.0
#include "daemon/stale_scripts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::time_t kStarted = 1'800'000'000;

class StaleScripts : public testing::Test {
 protected:
  void add(const std::string& name, std::time_t changed) {
    std::filesystem::create_directories(std::filesystem::path(spool / name).parent_path());
    spool.write(name, "#!/bin/sh\n");
    const timespec times[] = {{changed, 0}, {changed, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (spool / name).c_str(), times, 0), 0);
  }
  bool there(const std::string& name) { return std::filesystem::exists(spool / name); }

  TempDirectory spool;
};

TEST_F(StaleScripts, AreRemovedWhenTheyAreOlderThanTheNode) {
  add("job00812/slurm_script", kStarted - 1);
  add("job1234567/slurm_script", kStarted - 1000);
  add("job00813/slurm_script", kStarted);
  EXPECT_EQ(remove_stale_scripts(spool.path(), kStarted), 2);
  EXPECT_FALSE(there("job00812/slurm_script"));
  EXPECT_FALSE(there("job1234567/slurm_script"));
  EXPECT_TRUE(there("job00813/slurm_script")) << "of a job that has started since";
}

TEST_F(StaleScripts, NothingElseIsTouched) {
  add("job00812/other", kStarted - 1);
  add("jobless/slurm_script", kStarted - 1);
  add("job812/slurm_script", kStarted - 1);
  add("cred_state", kStarted - 1);
  add("elsewhere", kStarted - 1);
  std::filesystem::create_directories(spool / "job00001");
  std::filesystem::create_symlink(spool / "elsewhere", spool / "job00001/slurm_script");
  EXPECT_EQ(remove_stale_scripts(spool.path(), kStarted), 0);
  EXPECT_EQ(remove_stale_scripts(spool / "missing", kStarted), 0);
  for (const char* name :
       {"job00812/other", "jobless/slurm_script", "job812/slurm_script", "cred_state", "elsewhere"}) {
    EXPECT_TRUE(there(name)) << name;
  }
}

TEST_F(StaleScripts, AJobIsKnownByItsSlurmstepd) {
  EXPECT_EQ(job_of_slurmstepd("slurmstepd: [812.batch]"), "812");
  EXPECT_EQ(job_of_slurmstepd("slurmstepd: [812]"), "812");
  EXPECT_EQ(job_of_slurmstepd("bash"), "");
}

TEST(SpoolOfThisNode, HasItsName) {
  char name[256] = "";
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  const std::string host = std::string(name).substr(0, std::string(name).find('.'));
  EXPECT_EQ(spool_of_this_node("/var/spool/slurmd"), "/var/spool/slurmd");
  EXPECT_EQ(spool_of_this_node("/var/spool/%n/%h"), "/var/spool/" + host + "/" + host);
}

TEST(NodeStarted, WasAWhileAgo) {
  const auto now = std::time(nullptr);
  EXPECT_LE(node_started(), now);
  EXPECT_GT(node_started(), now - 10L * 365 * 86400);
}

}  // namespace
}  // namespace stasis
