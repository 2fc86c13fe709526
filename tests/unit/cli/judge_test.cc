// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cli/verbs.h"

namespace stasis {
namespace {

class Judge : public testing::Test {
 protected:
  std::string said(const std::string& every, const std::string& partition) {
    testing::internal::CaptureStdout();
    const bool allowed = judge_interval(config, every, partition);
    std::string text = testing::internal::GetCapturedStdout();
    EXPECT_EQ(allowed, text.empty());
    return text;
  }
  Config config =
      parse_config("defaults: {min_interval: 5m}\npartitions: {debug: {min_interval: 10s, max_interval: 1h}}\n",
                   "stasis.yaml")
          .value();
};

TEST_F(Judge, AllowsWhatThePartitionAllows) {
  EXPECT_EQ(said("5m", "main"), "");
  EXPECT_EQ(said("10s", "debug"), "");
  EXPECT_EQ(said("off", "debug"), "");
}

TEST_F(Judge, RefusesWhatItDoesNotWithTheLimit) {
  EXPECT_EQ(said("1m", "main"), "--checkpoint-every: 1m is less than the 5m this partition allows at least\n");
  EXPECT_EQ(said("2h", "debug"), "--checkpoint-every: 2h is more than the 1h this partition allows at most\n");
}

TEST_F(Judge, WithoutAPartitionRefusesWhatNoneAllows) {
  EXPECT_EQ(said("10s", ""), "");
  EXPECT_NE(said("9s", ""), "");
}

}  // namespace
}  // namespace stasis
