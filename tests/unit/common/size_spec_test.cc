// SPDX-License-Identifier: Apache-2.0
#include "common/size_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stasis {
namespace {

using ::testing::HasSubstr;

TEST(SizeSpec, UnitsArePowersOf1024) {
  EXPECT_EQ(*parse_size("512MiB"), 512u << 20);
  EXPECT_EQ(*parse_size("1.5K"), 1536u);
  EXPECT_EQ(*parse_size("20G"), 20ull << 30);
  EXPECT_EQ(*parse_size("2TiB"), 2ull << 40);
  EXPECT_EQ(*parse_size("0"), 0u);
}

TEST(SizeSpec, AnythingElseIsRefusedWithAnExample) {
  for (const char* text : {"", "64", "M", "1.2.3M", "-1M", "1MB", "1 M", "1m", "99999999P", "1Mi", "0x1K", ".M"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_THAT(size.error().message, HasSubstr("512MiB"));
  }
}

}  // namespace
}  // namespace stasis
