// SPDX-License-Identifier: Apache-2.0
#include "daemon/checkpoint_cost.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using namespace std::chrono_literals;

TEST(CheckpointCost, IsNotKnownBeforeTheFirstCheckpoint) { EXPECT_FALSE(CheckpointCost(64).mean()); }

TEST(CheckpointCost, IsTheTimeOfStandingStillAndAShareOfTheRest) {
  CheckpointCost large(64);
  large.note(1s, 17s);
  EXPECT_EQ(large.mean(), 2s) << "four threads of ours on 64 processors: a sixteenth of 16 s";
  CheckpointCost small(2);
  small.note(1s, 17s);
  EXPECT_EQ(small.mean(), 17s) << "a node that has no processor to spare";
}

TEST(CheckpointCost, FollowsWhatIsNewAndDoesNotJumpAfterIt) {
  CheckpointCost cost(4);
  cost.note(8s, 8s);
  cost.note(2s, 2s);
  EXPECT_EQ(cost.mean(), 5s);
  cost.note(1s, 1s);
  EXPECT_EQ(cost.mean(), 3s);
}

TEST(CheckpointCost, IsNotLessThanTheTimeOfStandingStill) {
  CheckpointCost cost(0);
  cost.note(3s, 2s);
  EXPECT_EQ(cost.mean(), 3s);
}

}  // namespace
}  // namespace stasis
