// SPDX-License-Identifier: Apache-2.0
#include "cli/job_list.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

QueuedJob queued(JobId id, const std::string& state, std::time_t start, const std::string& comment = "") {
  QueuedJob job;
  job.id = id;
  job.name = std::to_string(id);
  job.state = state;
  job.start = start;
  job.admin_comment = comment;
  return job;
}

constexpr char kComment[] = "stasis: checkpoint 3 of 2026-11-21T06:31:02, 1.4 MiB, runs on n1";

TEST(JobList, JobsThatNobodyKnowsToBeProtectedAreLeftOut) {
  const auto list = put_together({queued(2, "RUNNING", 100), queued(1, "PENDING", 0, kComment)}, {}, std::nullopt, 500);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].job.id, 1U);
  EXPECT_EQ(list[0].number, 3U);
  EXPECT_EQ(list[0].bytes, 1468006U);
  EXPECT_GT(list[0].made_at, 1795000000);
  EXPECT_FALSE(list[0].at_risk);
  EXPECT_FALSE(list[0].generations);
}

TEST(JobList, TheNodesWordCountsMoreThanTheComment) {
  const std::time_t now = 2000000000;
  const Message step = Message("run").add("job", 1).add("part", "0.0").add("number", 9).add("next_due", now + 5);
  const Message script = Message("run")
                             .add("job", 1)
                             .add("part", "batch")
                             .add("number", 4)
                             .add("made_at", now - 60)
                             .add("bytes", 7)
                             .add("next_due", now + 30)
                             .add("trouble", "io_uring");
  const auto list = put_together({queued(1, "RUNNING", now - 600, kComment)}, {step, script}, std::nullopt, now);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].number, 4U);
  EXPECT_EQ(list[0].bytes, 7U);
  EXPECT_EQ(list[0].next_due, now + 30);
  EXPECT_EQ(list[0].at_risk, 60);
  EXPECT_EQ(list[0].trouble, "io_uring");
}

TEST(JobList, WorkIsAtRiskSinceTheRunBeganWhenItWentOnFromAnEarlierCheckpoint) {
  const std::time_t now = 2000000000;
  const auto list =
      put_together({queued(1, "RUNNING", now - 20, kComment)}, {}, std::map<JobId, std::size_t>{{1, 2}}, now);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].at_risk, 20);
  EXPECT_EQ(list[0].generations, 2U);
}

TEST(JobList, TheStoreKnowsJobsThatNobodyElseDoes) {
  const auto list = put_together({queued(1, "PENDING", 0)}, {}, std::map<JobId, std::size_t>{{1, 2}, {7, 1}}, 5);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(to_json(list[0])["checkpoint"], nullptr);
}

TEST(SlurmQueue, LinesThatAreNoJobsAreLeftOut) {
  EXPECT_TRUE(parse_queue("").empty());
  EXPECT_TRUE(parse_queue("error\n\n" + std::string(2000, 'x') + "\n").empty());
  std::string line = "812";
  line.resize(56, ' ');
  line += "1001";
  for (std::size_t cut = 0; cut <= line.size(); ++cut) (void)parse_queue(line.substr(0, cut));
  ASSERT_EQ(parse_queue(line).size(), 1U);
  EXPECT_EQ(parse_queue(line)[0].uid, 1001U);
}

TEST(SlurmQueue, RunsOfOtherJobsAndThoseThatNeverBeganAreLeftOut) {
  const auto runs = parse_runs(
      "812|CANCELLED by 1001|n1|100|200\n812|PENDING|None assigned|Unknown|Unknown\n813|RUNNING|n1|1|2\n812|x\n\n",
      812);
  ASSERT_EQ(runs.size(), 1U);
  EXPECT_EQ(runs[0].state, "CANCELLED");
  EXPECT_EQ(runs[0].end, 200);
}

}  // namespace
}  // namespace stasis
