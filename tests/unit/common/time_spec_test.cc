// SPDX-License-Identifier: Apache-2.0
#include "common/time_spec.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace stasis {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TimeSpec every(seconds time) { return {TimeSpec::Kind::every, time}; }

struct Good {
  const char* text;
  seconds time;
};

class TimeSpecGood : public testing::TestWithParam<Good> {};
TEST_P(TimeSpecGood, IsUnderstood) {
  const auto spec = parse_time_spec(GetParam().text);
  ASSERT_TRUE(spec) << spec.error().message;
  EXPECT_EQ(*spec, every(GetParam().time));
}
INSTANTIATE_TEST_SUITE_P(SlurmForms, TimeSpecGood,
                         testing::Values(Good{"45", minutes(45)}, Good{"1", minutes(1)}, Good{"045", minutes(45)},
                                         Good{"45:00", minutes(45)}, Good{"0:30", seconds(30)},
                                         Good{"90:90", seconds(5490)}, Good{"0:45:00", minutes(45)},
                                         Good{"00:00:01", seconds(1)}, Good{"100:00:00", hours(100)},
                                         Good{"1-12", hours(36)}, Good{"0-1", hours(1)}, Good{"0-0:45", minutes(45)},
                                         Good{"0-0:45:00", minutes(45)}, Good{"0-0:00:10", seconds(10)},
                                         Good{"2-3:04:05", seconds(183845)}, Good{"365-0", hours(8760)}));
INSTANTIATE_TEST_SUITE_P(Units, TimeSpecGood,
                         testing::Values(Good{"30s", seconds(30)}, Good{"45m", minutes(45)}, Good{"2h", hours(2)},
                                         Good{"1d", hours(24)}, Good{"1h30m", minutes(90)},
                                         Good{"1d2h3m4s", seconds(93784)}, Good{"1d4s", seconds(86404)}));

class TimeSpecBad : public testing::TestWithParam<const char*> {};
TEST_P(TimeSpecBad, IsRefusedWithASentenceThatShowsWhatIsAllowed) {
  const auto spec = parse_time_spec(GetParam());
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().message.find("'" + std::string(GetParam()) + "' "), 0U);
  for (const char* form : {"45:00", "0:45:00", "0-0:45", "0-0:45:00", "1-12", "30s", "45m", "2h", "off"}) {
    EXPECT_NE(spec.error().message.find(form), std::string::npos) << form;
  }
}
INSTANTIATE_TEST_SUITE_P(NotATime, TimeSpecBad,
                         testing::Values("", " ", "x", "45 ", " 45", "4 5", "45 m", "+45", "-45", "-", ":", "1:", ":1",
                                         "1::2", "1:2:3:4", "1-", "-1", "1-1-1", "1-2:3:4:5", "1-1:", "1.5h", "1,5",
                                         "0x10", "1e3", "45M", "45min", "m", "30m1h", "1h1h", "1h30", "1h-30m",
                                         "1h 30m", "1-2h", "OFF", "Off", "offf", "UNLIMITED", "INFINITE", "\n", "45\n",
                                         "٤٥"));
INSTANTIATE_TEST_SUITE_P(NoTimeAtAll, TimeSpecBad, testing::Values("0", "0:00", "0-0", "0-0:0:0", "0s", "0h0m"));
INSTANTIATE_TEST_SUITE_P(TooLong, TimeSpecBad,
                         testing::Values("365-0:0:1", "366d", "525601", "999999999999", "9999999999999",
                                         "18446744073709551617", "99999999999999999999999999999999",
                                         "999999999999-999999999999:999999999999:999999999999", "9223372036854775807s",
                                         "213503982334601d"));

TEST(TimeSpec, OffAndAutoAreValuesOfTheirOwn) {
  EXPECT_EQ(parse_time_spec("off")->kind, TimeSpec::Kind::off);
  EXPECT_EQ(parse_time_spec("auto")->kind, TimeSpec::Kind::automatic);
}

TEST(TimeSpec, NulInsideIsNoEnd) { EXPECT_FALSE(parse_time_spec(std::string_view("45\0m", 4))); }

TEST(TimeSpec, SaysWhyWhenItLooksLikeATime) {
  EXPECT_NE(parse_time_spec("0").error().message.find("is no time at all"), std::string::npos);
  EXPECT_NE(parse_time_spec("9999h").error().message.find("is more than a year"), std::string::npos);
}

TEST(TimeSpec, IsFormattedShortForPeople) {
  EXPECT_EQ(format_time(minutes(45)), "45m");
  EXPECT_EQ(format_time(minutes(90)), "1h30m");
  EXPECT_EQ(format_time(seconds(10)), "10s");
  EXPECT_EQ(format_time(hours(24)), "1d");
  EXPECT_EQ(format_time(seconds(90061)), "1d1h1m1s");
  EXPECT_EQ(format_time(seconds(0)), "0s");
  EXPECT_EQ(format_time(seconds(-5)), "0s");
}

TEST(TimeSpec, WhatIsFormattedIsUnderstoodAgain) {
  std::mt19937 random(1);
  std::uniform_int_distribution<long> any(1, kLongestInterval.count());
  for (int i = 0; i < 2000; ++i) {
    const seconds time(any(random));
    const auto spec = parse_time_spec(format_time(time));
    ASSERT_TRUE(spec) << format_time(time);
    EXPECT_EQ(*spec, every(time));
  }
}

}  // namespace
}  // namespace stasis
