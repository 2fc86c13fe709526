// SPDX-License-Identifier: Apache-2.0
#include "common/memory_use.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

namespace stasis {
namespace {

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

TEST(MemoryUse, OfOneProcessIsWhatTheKernelCounts) {
  const auto bytes = parse_status_memory(
      "Name:\tload\nVmRSS:\t    3000 kB\nRssAnon:\t    1000 kB\nRssFile:\t    1900 kB\nRssShmem:\t     100 "
      "kB\nVmSwap:\t      20 kB\n");
  ASSERT_TRUE(bytes);
  EXPECT_EQ(*bytes, 1120u * 1024);
  EXPECT_FALSE(parse_status_memory("Name:\tkthreadd\n"));
}

TEST(MemoryUse, WhatProcessesShareCountsOnce) {
  constexpr std::uint64_t kSize = 64 << 20;
  const std::vector<char> memory(kSize, 'x');
  std::vector<CapsuleProcess> tree{{::getpid(), 0, 0}};
  const std::uint64_t one = memory_to_dump(tree);
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
    tree.push_back({child, 0, 0});
  }
  const std::uint64_t all = memory_to_dump(tree);
  for (std::size_t i = 1; i < tree.size(); ++i) {
    ::kill(tree[i].host, SIGKILL);
    ::waitpid(tree[i].host, nullptr, 0);
  }
  EXPECT_GE(one, kSize);
  EXPECT_GT(all, one * 3 / 4);
  EXPECT_LT(all, one * 3 / 2) << "four processes, and one memory";
}

}  // namespace
}  // namespace stasis
