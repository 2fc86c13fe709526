// SPDX-License-Identifier: Apache-2.0
#include "common/janitor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

// A slurmctld that knows some jobs, or is away.
class SomeJobs final : public SlurmClient {
 public:
  std::map<JobId, std::string> states;
  bool away = false;

  Result<JobInfo> job(const JobRef& job, Deadline) override {
    if (away) return fail(ErrorKind::busy, "Unable to contact slurm controller");
    const auto found = states.find(job.id);
    if (found == states.end()) return fail(ErrorKind::not_found, "Invalid job id specified");
    JobInfo info;
    info.id = job.id;
    info.state = found->second;
    return info;
  }
  Result<void> requeue(const JobRef&, Deadline) override { return {}; }
  Result<void> requeue_and_hold(const JobRef&, Deadline) override { return {}; }
  Result<void> update(const JobRef&, const std::vector<std::string>&, Deadline) override { return {}; }
  Result<void> release(const JobRef&, Deadline) override { return {}; }
  Result<PartitionInfo> partition(const std::string&, Deadline) override { return PartitionInfo{}; }
  Result<std::vector<JobInfo>> held_back(Deadline) override { return std::vector<JobInfo>(); }
  Result<std::vector<std::string>> host_names(const std::string&, Deadline) override {
    return std::vector<std::string>();
  }
  Result<std::map<std::string, std::string>> configuration(Deadline) override {
    return std::map<std::string, std::string>();
  }
};

class Janitor : public testing::Test {
 protected:
  Janitor() {
    for (const std::uint32_t job : {1U, 2U, 3U}) publish(job);
  }
  void publish(std::uint32_t job) {
    const TempDirectory images;
    images.write("pages", "something");
    Manifest manifest;
    manifest.job = {"hpc", ::getuid(), job, 1795239061};
    manifest.part = "batch";
    manifest.number = 1;
    ASSERT_TRUE(store.publish(images.fd(), manifest));
  }
  JanitorReport clean() {
    return clean_store(store, "hpc", slurm, rules, [this](std::chrono::milliseconds) { ++pauses; });
  }
  std::set<std::uint32_t> left() const {
    std::set<std::uint32_t> jobs;
    const auto all = store.all_jobs("hpc").value();
    for (const auto& job : all) jobs.insert(job.job);
    return jobs;
  }

  TempDirectory directory;
  CheckpointStore store{directory.path() + "/store", Keys::parse("k " + std::string(64, 'a') + "\n").value()};
  SomeJobs slurm;
  JanitorRules rules{.idle_for = std::chrono::seconds(0)};
  int pauses = 0;
};

TEST_F(Janitor, RemovesWhatIsOfJobsThatSlurmDoesNotKnowOrThatAreOver) {
  slurm.states = {{1, "RUNNING"}, {2, "CANCELLED"}};
  const auto report = clean();
  EXPECT_EQ(report.removed, 2);
  EXPECT_EQ(report.kept, 1);
  EXPECT_EQ(left(), std::set<std::uint32_t>{1});
  EXPECT_EQ(pauses, 3) << "one before each question";
}

TEST_F(Janitor, KeepsWhatCanStillBeRequeued) {
  slurm.states = {{1, "TIMEOUT"}, {2, "PENDING"}, {3, "NODE_FAIL"}};
  EXPECT_EQ(clean().removed, 0);
  EXPECT_EQ(left().size(), 3U);
}

TEST_F(Janitor, AsksNobodyAboutWhatIsYoung) {
  rules.idle_for = std::chrono::hours(1);
  EXPECT_EQ(clean().kept, 3);
  EXPECT_EQ(pauses, 0);
  EXPECT_EQ(left().size(), 3U);
}

TEST_F(Janitor, RemovesNothingWhileSlurmctldIsAway) {
  slurm.away = true;
  const auto report = clean();
  EXPECT_EQ(report.removed, 0);
  EXPECT_EQ(report.failed, 1) << "and does not ask about the others";
  EXPECT_EQ(left().size(), 3U);
}

TEST_F(Janitor, DoesNotDoMoreThanItShouldAtOnce) {
  rules.most = 2;
  EXPECT_EQ(clean().removed, 2);
  EXPECT_EQ(left().size(), 1U);
  EXPECT_EQ(clean().removed, 1);
}

}  // namespace
}  // namespace stasis
