// SPDX-License-Identifier: Apache-2.0
#include "cli/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stasis {
namespace {

using ::testing::StartsWith;

TEST(Timeline, EveryRunHasALineOnTheSameScale) {
  const std::vector<TimelineRun> runs{{"n1", 1000, 1500, "requeued"}, {"node2", 1600, 0, "running"}};
  const std::vector<TimelineMark> marks{{"n1", 1250}, {"node2", 1800}, {"n1", 1800}, {"n9", 1250}};
  const auto lines = draw_timeline(runs, marks, 2000, 7 + 26 + 41, false);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[0], StartsWith("n1     ==========o=========|                      "));
  EXPECT_THAT(lines[1], StartsWith("node2                          ========o=======>  "));
  EXPECT_TRUE(lines[0].ends_with("  requeued"));
  EXPECT_TRUE(lines[1].ends_with("  running"));
}

TEST(Timeline, StrangeTimesDrawSomething) {
  for (const std::time_t start : {std::time_t{0}, std::time_t{5}, std::time_t{9000000000}}) {
    const auto lines = draw_timeline({{"n1", start, 3, "x"}, {"n1", start, 0, "y"}}, {{"n1", 4}}, 5, 0, true);
    EXPECT_EQ(lines.size(), 2U);
  }
  EXPECT_TRUE(draw_timeline({}, {{"n1", 4}}, 5, 80, true).empty());
}

}  // namespace
}  // namespace stasis
