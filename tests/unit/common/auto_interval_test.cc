// SPDX-License-Identifier: Apache-2.0
#include "common/auto_interval.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/policy.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Bound = AutoInterval::Bound;

// What is lost of all time when checkpoints of `c` seconds are made every `t` and failures come every `m`: Daly's exact
// expression, without the restart, which does not depend on t.
double expected_time(double t, double c, double m) { return m * std::expm1((t + c) / m) / t; }

TEST(AutoInterval, LosesLeast) {
  for (const auto cost : {100ms, 2000ms, 30000ms, 600000ms}) {
    for (const auto mtbf : {std::chrono::seconds(6h), std::chrono::seconds(240h), std::chrono::seconds(8760h)}) {
      const double c = static_cast<double>(cost.count()) / 1e3;
      const auto m = static_cast<double>(mtbf.count());
      const auto t = static_cast<double>(best_interval(cost, mtbf).count());
      const double best = expected_time(t, c, m);
      EXPECT_LE(best, expected_time(t * 1.1, c, m)) << c << " s, every " << m << " s";
      EXPECT_LE(best, expected_time(t * 0.9, c, m)) << c << " s, every " << m << " s";
    }
  }
}

TEST(AutoInterval, IsThatOfTheWorkedExamples) {
  EXPECT_EQ(best_interval(2s, 30 * 24h), 3219s) << "sqrt(2 x 2 x 2592000) = 3220, corrected by Daly";
  EXPECT_EQ(best_interval(60s, 24h), 3180s);
}

TEST(AutoInterval, IsTheTimeBetweenFailuresWhereCheckpointsCostMore) { EXPECT_EQ(best_interval(3h, 1h), 1h); }

TEST(AutoInterval, IsSomethingWhateverItIsMadeOf) {
  EXPECT_GE(best_interval(0ms, 1s), 1s);
  EXPECT_GE(best_interval(1ms, 1s), 1s);
}

TEST(AutoInterval, KeepsThePolicysLimitsAndSaysWhich) {
  Policy policy;
  policy.mean_time_between_failures = 30 * 24h;
  policy.min_interval = 10min;
  policy.max_interval = 2h;
  EXPECT_EQ(auto_interval(2s, true, policy), (AutoInterval{3219s, 2s, true, 30 * 24h, Bound::none}));
  EXPECT_EQ(auto_interval(10ms, true, policy), (AutoInterval{10min, 10ms, true, 30 * 24h, Bound::min_interval}));
  EXPECT_EQ(auto_interval(60s, false, policy), (AutoInterval{2h, 60s, false, 30 * 24h, Bound::max_interval}));
}

}  // namespace
}  // namespace stasis
