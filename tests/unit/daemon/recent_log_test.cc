// SPDX-License-Identifier: Apache-2.0
#include "daemon/recent_log.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

std::vector<std::string> texts(const RecentLog& log, JobId job, uid_t asker) {
  std::vector<std::string> found;
  for (const auto& line : log.lines(job, asker)) found.push_back(line.text);
  return found;
}

using Texts = std::vector<std::string>;

TEST(RecentLog, ShowsAUserTheLinesOfHisJobsOnly) {
  RecentLog log;
  log.set_owner(812, 1001);
  log.set_owner(8, 1002);
  log.add(1, LogLevel::info, "job=812.batch starts");
  log.add(2, LogLevel::info, "job=8.batch starts");
  log.add(3, LogLevel::info, "job=812.0.1 starts");
  EXPECT_EQ(texts(log, 812, 1001), (Texts{"job=812.batch starts", "job=812.0.1 starts"}));
  EXPECT_EQ(texts(log, 812, 1002), Texts{});
  EXPECT_EQ(texts(log, 8, 1002), (Texts{"job=8.batch starts"}));
  EXPECT_EQ(texts(log, 8, 0), (Texts{"job=8.batch starts"}));
}

TEST(RecentLog, LinesOfJobsWhoseUserIsNotKnownAreRoots) {
  RecentLog log;
  log.add(1, LogLevel::info, "job=812.batch starts");
  EXPECT_EQ(texts(log, 812, 1001), Texts{});
  EXPECT_EQ(texts(log, 812, 0).size(), 1U);
}

TEST(RecentLog, AnIdThatComesRoundAgainShowsNothingOfTheJobBefore) {
  RecentLog log;
  log.set_owner(812, 1001);
  log.add(1, LogLevel::info, "job=812.batch starts");
  log.set_owner(812, 1002);
  EXPECT_EQ(texts(log, 812, 1002), Texts{});
  EXPECT_EQ(texts(log, 812, 0), Texts{});
}

TEST(RecentLog, ForgetsTheOldestAndKeepsNothingElse) {
  RecentLog log(2);
  for (const char* line :
       {"ready", "job=1.batch a", "job=1.batch b", "job=1.batch c", "job=", "job=1", "jobs=1.batch"}) {
    log.add(1, LogLevel::info, line);
  }
  EXPECT_EQ(texts(log, 1, 0), (Texts{"job=1.batch b", "job=1.batch c"}));
}

}  // namespace
}  // namespace stasis
