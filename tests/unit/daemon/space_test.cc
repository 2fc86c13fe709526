// SPDX-License-Identifier: Apache-2.0
#include "daemon/space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stasis {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kGiB = 1 << 30;

TEST(Space, WhatFitsIsNotRefused) {
  EXPECT_TRUE(check_space({kGiB, kGiB, 0.5}, {3 * kGiB, 0, 0, 2 * kGiB}));
  EXPECT_TRUE(check_space({kGiB, 0, 1}, {3 * kGiB, kGiB, 3 * kGiB, 2 * kGiB}));
}

TEST(Space, RefusesWithNumbersAndThePlace) {
  const auto local = check_space({4 * kGiB, 0, 0.1}, {kGiB, 0, 0, kGiB});
  ASSERT_FALSE(local);
  EXPECT_EQ(local.error().kind, ErrorKind::no_space);
  EXPECT_THAT(local.error().message, HasSubstr("node-local directory: about 4.0 GiB are needed and 1.0 GiB are free"));
  EXPECT_THAT(check_space({4 * kGiB, 0, 0.5}, {9 * kGiB, 0, 0, kGiB}).error().message,
              HasSubstr("store: about 2.0 GiB"));
  EXPECT_THAT(check_space({kGiB, kGiB, 1}, {9 * kGiB, 2 * kGiB, 3 * kGiB, 9 * kGiB}).error().message,
              HasSubstr("local_limit: about 2.0 GiB are needed and 1.0 GiB are free"));
  EXPECT_FALSE(check_space({kGiB, 0, 1}, {9 * kGiB, 4 * kGiB, 3 * kGiB, 9 * kGiB})) << "over the limit already";
}

}  // namespace
}  // namespace stasis
