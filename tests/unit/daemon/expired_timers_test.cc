// SPDX-License-Identifier: Apache-2.0
#include "daemon/expired_timers.h"

#include <gtest/gtest.h>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"

namespace stasis {
namespace {

constexpr std::uint32_t kTimer = 17;

// When it expires next, of one with these: "0.5 s" as {0, 500000000}.
struct Time {
  std::uint64_t seconds, nanoseconds;
  friend bool operator==(const Time&, const Time&) = default;
};

Time next_time(std::uint64_t ticks, Time next, Time period) {
  criu::File file;
  file.set_type(kTimer);
  file.set_id(1);
  file.mutable_tfd()->set_ticks(ticks);
  file.mutable_tfd()->set_vsec(next.seconds);
  file.mutable_tfd()->set_vnsec(next.nanoseconds);
  file.mutable_tfd()->set_isec(period.seconds);
  file.mutable_tfd()->set_insec(period.nanoseconds);
  const auto image = rearm_expired_timers(write_criu_image({file.SerializeAsString()}, kCriuFilesMagic));
  EXPECT_TRUE(image);
  const auto entries = read_criu_image(*image, kCriuFilesMagic);
  EXPECT_TRUE(entries && file.ParseFromString(entries->at(0)));
  EXPECT_EQ(file.tfd().ticks(), ticks);
  return {file.tfd().vsec(), file.tfd().vnsec()};
}

TEST(ExpiredTimers, APeriodicOneThatWasNotReadGoesOn) {
  EXPECT_EQ(next_time(1, {0, 0}, {0, 250000000}), (Time{0, 250000000}));
  EXPECT_EQ(next_time(1, {0, 0}, {2, 0}), (Time{2, 0}));
}

TEST(ExpiredTimers, AllOthersStayAsTheyAre) {
  EXPECT_EQ(next_time(1, {0, 7}, {1, 0}), (Time{0, 7})) << "it has a next time";
  EXPECT_EQ(next_time(0, {0, 0}, {1, 0}), (Time{0, 0})) << "its program stopped it";
  EXPECT_EQ(next_time(1, {0, 0}, {0, 0}), (Time{0, 0})) << "it was to expire once";
}

TEST(ExpiredTimers, WhatIsNoImageIsRefused) { EXPECT_FALSE(rearm_expired_timers("nothing of criu's")); }

}  // namespace
}  // namespace stasis
