// SPDX-License-Identifier: Apache-2.0
#include "common/size_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/memory_use.h"

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

TEST(MemoryUse, CountsWhatIsInNoFile) {
  const auto bytes = parse_smaps_rollup(
      "55d0-7ffe ---p 00000000 00:00 0    [rollup]\nRss:    4096 kB\nPss:  3000 kB\nPss_Anon:     1000 kB\n"
      "Pss_File:     1900 kB\nPss_Shmem:       100 kB\nSwap:   50 kB\nSwapPss:              20 kB\n");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, 1120u * 1024);
  for (const char* text : {"", "Rss: 1 kB\n", "\nPss_Anon:", "\nPss_Anon: x kB\n"})
    EXPECT_FALSE(parse_smaps_rollup(text));
}

TEST(MemoryUse, SeesItsOwnProcess) {
  EXPECT_GT(memory_to_dump({{::getpid(), 0, 0}}), 100000u);
  EXPECT_EQ(memory_to_dump({{0, 0, 0}}), 0u) << "there is no such process";
}

}  // namespace
}  // namespace stasis
