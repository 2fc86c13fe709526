// SPDX-License-Identifier: Apache-2.0
#include "common/deadline.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using namespace std::chrono_literals;

TEST(Deadline, NeverPassesWhenThereIsNone) {
  EXPECT_FALSE(Deadline::never().passed());
  EXPECT_EQ(Deadline::never().poll_timeout(), -1);
}

TEST(Deadline, LeavesNoTimeOncePassed) {
  EXPECT_TRUE(Deadline::in(-1s).passed());
  EXPECT_EQ(Deadline::in(-1s).poll_timeout(), 0);
}

TEST(Deadline, TellsPollTheTimeLeft) {
  const int left = Deadline::in(10s).poll_timeout();
  EXPECT_GT(left, 5000);
  EXPECT_LE(left, 10000);
  EXPECT_FALSE(Deadline::in(10s).passed());
}

TEST(Deadline, FarAwayIsCappedAtWhatPollTakes) {
  EXPECT_EQ(Deadline::in(std::chrono::hours(24 * 365)).poll_timeout(), std::numeric_limits<int>::max());
}

}  // namespace
}  // namespace stasis
