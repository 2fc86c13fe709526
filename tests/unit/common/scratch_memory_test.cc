// SPDX-License-Identifier: Apache-2.0
#include "common/scratch_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>

#include "common/page_map.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

// Of this process: what the kernel could not take back without swapping.
std::uint64_t own_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoull(line.substr(8));
  }
  return 0;
}

class ScratchMemoryTest : public ::testing::Test {
 protected:
  ScratchMemoryTest() { use_scratch_directory(directory_.path()); }
  ~ScratchMemoryTest() override { use_scratch_directory(""); }

  TempDirectory directory_;
};

// More than a machine's noise, and less than any of what is made here.
constexpr std::uint64_t kLittleKib = 8UL << 10;
constexpr std::uint32_t kMany = 4 << 20;

TEST_F(ScratchMemoryTest, WhatIsLargeIsInFilesOfWhichNothingIsLeft) {
  const std::uint64_t before = own_kib();
  ScratchVector<std::uint64_t> numbers;
  for (std::uint64_t i = 0; i < kMany; ++i) numbers.push_back(i);
  EXPECT_LT(own_kib(), before + kLittleKib);
  EXPECT_EQ(std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0}), std::uint64_t{kMany} * (kMany - 1) / 2);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ScratchMemoryTest, WithNoDirectoryThereItIsMemory) {
  use_scratch_directory(directory_ / "gone");
  const std::uint64_t before = own_kib();
  const ScratchVector<char> bytes(64 << 20, 'x');
  EXPECT_GT(own_kib(), before + kLittleKib);
  EXPECT_EQ(bytes.back(), 'x');
}

// A map of 16 GiB, each page of which is stored somewhere else.
TEST_F(ScratchMemoryTest, AMapOfALargeJobTakesNoMemoryFromIt) {
  const std::uint64_t before = own_kib();
  PageMap map;
  auto& blocks = map.files[1].blocks;
  for (std::uint32_t i = 0; i < kMany / kBlockPages; ++i)
    blocks.push_back({std::uint64_t{i} * 9, 9, kBlockPages, Encoding::zstd, {}});
  PageImage image{"pages-1.img", {}};
  for (std::uint32_t i = 0; i < kMany; ++i) image.add(PagePlace{1, i ^ 1});
  map.images.push_back(std::move(image));
  const ScratchString text = write_page_map(map);
  const auto read = read_page_map(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->use().at(1).used, kMany);
  EXPECT_TRUE(*read == map);
  EXPECT_LT(own_kib(), before + kLittleKib);
}

}  // namespace
}  // namespace stasis
