// SPDX-License-Identifier: Apache-2.0
// This process is the capsule's init, and a child with an environment is the shim.
#include "daemon/job_tmpdir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "common/read_file.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

TaskFacts job(std::uint32_t id, std::uint32_t array_job = 0) {
  TaskFacts facts;
  facts.job = id;
  facts.array_job = array_job;
  return facts;
}

TEST(IsCalledAfter, TakesTheJobsIdAsAWholeNumberOnly) {
  EXPECT_TRUE(is_called_after("/local/812", job(812)));
  EXPECT_TRUE(is_called_after("/local/alice.812/tmp", job(812)));
  EXPECT_TRUE(is_called_after("/local/job_812_3", job(815, 812)));
  EXPECT_TRUE(is_called_after("/local/815", job(815, 812)));
  EXPECT_FALSE(is_called_after("/local/8123", job(812)));
  EXPECT_FALSE(is_called_after("/local/4812", job(812)));
  EXPECT_FALSE(is_called_after("/local/alice", job(812)));
  EXPECT_FALSE(is_called_after("/local/0", job(812)));
}

TEST(IsCalledAfter, RefusesWhatIsOddAndWhatIsSavedAnyway) {
  for (const char* path :
       {"", "812", "/local/../812", "/local//812", "/local/812/", "/tmp/812", "/dev/shm/812", "/tmp"}) {
    EXPECT_FALSE(is_called_after(path, job(812))) << path;
  }
}

class JobTmpdirTest : public testing::Test {
 protected:
  JobTmpdirTest() {
    run.facts.job = 812;
    run.init = ::getpid();
  }
  ~JobTmpdirTest() override {
    end();
    std::filesystem::remove_all(local);
  }

  void start_shim(const std::string& tmpdir) {
    end();
    run.facts.shim = ::fork();
    if (run.facts.shim == 0) {
      const std::string variable = "TMPDIR=" + tmpdir;
      const char* const argv[] = {"sleep", "60", nullptr};
      const char* const environment[] = {"NOTMPDIR=x", variable.c_str(), nullptr};
      ::execve("/bin/sleep", const_cast<char**>(argv), const_cast<char**>(environment));
      ::_exit(127);
    }
    // Before execve() is through it has this program's environment, or none.
    const std::string environment = "/proc/" + std::to_string(run.facts.shim) + "/environ";
    EXPECT_TRUE(wait_for([&] { return read_file(environment).value_or("").starts_with("NOTMPDIR"); }));
  }
  void end() const {
    if (run.facts.shim <= 0) return;
    ::kill(run.facts.shim, SIGKILL);
    ::waitpid(run.facts.shim, nullptr, 0);
  }

  // Not below /tmp, which the capsule has anyway.
  std::string local = std::filesystem::current_path() / ("job-tmpdir-" + std::to_string(::getpid()));
  FileIdentity user{::getuid(), ::getgid(), {}};
  stasis::Run run;
};

TEST_F(JobTmpdirTest, IsWhereTheVariableLeads) {
  std::filesystem::create_directories(local + "/812");
  start_shim(local + "/812");
  const auto found = open_job_tmpdir(run, user);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->path, local + "/812");
  start_shim("/tmp");
  EXPECT_FALSE(open_job_tmpdir(run, user));
  start_shim(local + "/813");
  EXPECT_FALSE(open_job_tmpdir(run, user));
}

TEST_F(JobTmpdirTest, ALinkIsNotFollowed) {
  std::filesystem::create_directories(local + "/other");
  std::filesystem::create_directory_symlink(local + "/other", local + "/812");
  start_shim(local + "/812");
  EXPECT_FALSE(open_job_tmpdir(run, user));
  EXPECT_FALSE(make_job_tmpdir(run, local + "/812", user));
}

TEST_F(JobTmpdirTest, OfAnotherUserItIsNone) {
  if (::getuid() != 0) GTEST_SKIP() << "only root has another user's rights";
  std::filesystem::create_directories(local + "/812");
  start_shim(local + "/812");
  EXPECT_FALSE(open_job_tmpdir(run, {1001, 1001, {}}));
  EXPECT_EQ(make_job_tmpdir(run, local + "/812", {1001, 1001, {}}).error().kind, ErrorKind::denied);
}

TEST_F(JobTmpdirTest, IsMadeWhereItIsNot) {
  std::filesystem::create_directories(local);
  EXPECT_TRUE(make_job_tmpdir(run, local + "/812", user));
  struct stat status {};
  ASSERT_EQ(::stat((local + "/812").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
  EXPECT_TRUE(make_job_tmpdir(run, local + "/812", user));
  EXPECT_FALSE(make_job_tmpdir(run, local + "/none/812", user));
  EXPECT_FALSE(make_job_tmpdir(run, local + "/813", user));
}

}  // namespace
}  // namespace stasis
