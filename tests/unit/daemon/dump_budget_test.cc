// SPDX-License-Identifier: Apache-2.0
#include "daemon/dump_budget.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kGiB = 1 << 30;

// A node that stores a GiB in so long.
NodeSpeed node(std::chrono::milliseconds per_gib) {
  NodeSpeed speed;
  speed.note({kGiB, kGiB, per_gib});
  return speed;
}

TEST(NodeSpeed, IsThatOfTheSlowestOfTheLastEight) {
  NodeSpeed speed = node(8s);
  speed.note({4 * kGiB, 4 * kGiB, 8s});
  EXPECT_EQ(speed.for_new(2 * kGiB), 16s);
  for (int i = 0; i < 7; ++i) speed.note({kGiB, kGiB, 1s});
  EXPECT_EQ(speed.for_new(2 * kGiB), 4s) << "the slowest one was long ago, the next slowest was not";
  speed.note({kGiB, kGiB, 1s});
  EXPECT_EQ(speed.for_new(2 * kGiB), 2s);
}

TEST(NodeSpeed, LearnsOnlyFromWhatHadMuchToStore) {
  NodeSpeed speed = node(1s);
  speed.note({100 * kGiB, kGiB, 60s});
  speed.note({1 << 20, 1 << 20, 1s});
  EXPECT_EQ(speed.for_new(kGiB), 1s);
}

TEST(NodeSpeed, IsTakenForSlowBeforeItIsKnown) { EXPECT_EQ(NodeSpeed().for_new(200 << 20), 1s); }

TEST(DumpBudget, OfAJobWithoutACheckpointIsItsMemorysAtTheNodesSpeed) {
  DumpBudget budget;
  EXPECT_EQ(budget.expected(node(1s)), 3s) << "even if it has none";
  budget.see(100 * kGiB);
  EXPECT_EQ(budget.expected(node(2s)), 303s);
}

TEST(DumpBudget, IsTheLongestOfTheJobsLastThree) {
  DumpBudget budget;
  budget.note({kGiB, kGiB, 20s});
  budget.note({kGiB, 0, 4s});
  budget.note({kGiB, 0, 6s});
  EXPECT_EQ(budget.expected(node(1s)), 30s);
  budget.note({kGiB, 0, 2s});
  EXPECT_EQ(budget.expected(node(1s)), 9s) << "the first one, which had all to store, does not count any more";
}

TEST(DumpBudget, GrowsWithTheJob) {
  DumpBudget budget;
  budget.note({kGiB, kGiB, 2s});
  budget.see(11 * kGiB);
  EXPECT_EQ(budget.expected(node(4s)), 63s);
  budget.see(kGiB / 2);
  EXPECT_EQ(budget.expected(node(4s)), 3s) << "what it has given back is not paid back";
}

}  // namespace
}  // namespace stasis
