// SPDX-License-Identifier: Apache-2.0
#include "common/page_file.h"

#include <gtest/gtest.h>

#include <mutex>
#include <numeric>
#include <random>

#include "memory_file_system.h"

namespace stasis {
namespace {

using test::MemoryFileSystem;

class PageFileTest : public ::testing::Test {
 protected:
  PageFileTest() {
    EXPECT_TRUE(disk_.make_directory("/d", 0755));
    std::minstd_rand random(1);
    for (std::uint32_t i = 0; i < 3 * kBlockPages + 5; ++i) {
      std::string page(kPageSize, static_cast<char>(i));
      // The second block does not compress.
      if (i / kBlockPages == 1) std::generate(page.begin(), page.end(), [&] { return static_cast<char>(random()); });
      pages_.push_back(page);
    }
  }

  PageBlocks write(Compression compression = {1, 3}) {
    PageFileWriter writer([this] { return disk_.create("/d/f"); }, compression, sealer_);
    for (const auto& page : pages_) EXPECT_TRUE(writer.add(page.data()));
    auto file = writer.finish();
    EXPECT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->seal, sealer_.seal());
    return std::move(file->blocks);
  }
  // The pages of those blocks, by number.
  Result<std::map<std::uint32_t, std::string>> read(const PageBlocks& blocks,
                                                    const std::vector<std::uint32_t>& wanted) {
    std::map<std::uint32_t, std::string> got;
    std::mutex guard;
    STASIS_LET(const auto file, disk_.open("/d/f"));
    StoredBlocks stored;
    for (const auto number : wanted) stored.push_back({file.get(), &sealer_, 7, number, blocks[number]});
    STASIS_TRY(read_blocks(stored, 3, [&](std::size_t index, const char* pages) -> Result<void> {
      const std::lock_guard lock(guard);
      const auto block = stored[index].number;
      for (std::uint32_t i = 0; i < blocks[block].pages; ++i) {
        got[block * kBlockPages + i] = std::string(pages + i * kPageSize, kPageSize);
      }
      return {};
    }));
    return got;
  }

  const PageSealer sealer_ = *PageSealer::make(*Keys::parse("k1 " + std::string(64, 'a') + "\n"));
  MemoryFileSystem disk_;
  std::vector<std::string> pages_;
};

TEST_F(PageFileTest, GivesBackEveryPage) {
  const auto blocks = write();
  ASSERT_EQ(blocks.size(), 4U);
  EXPECT_EQ(blocks[0].encoding, Encoding::zstd);
  EXPECT_EQ(blocks[1].encoding, Encoding::plain);
  EXPECT_EQ(blocks[3].pages, 5U);
  const auto got = read(blocks, {3, 0, 1, 2});
  ASSERT_TRUE(got) << got.error().message;
  ASSERT_EQ(got->size(), pages_.size());
  for (const auto& [number, page] : *got) EXPECT_EQ(page, pages_[number]) << number;
}

TEST_F(PageFileTest, ReadsWhatIsAskedForOnly) {
  const auto got = read(write({0, 1}), {1});
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), kBlockPages);
  EXPECT_EQ(got->begin()->second, pages_[kBlockPages]);
}

TEST_F(PageFileTest, IsNotMadeForNothing) {
  PageFileWriter writer([this] { return disk_.create("/d/f"); }, {}, sealer_);
  const auto file = writer.finish();
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->blocks.empty());
  EXPECT_TRUE(disk_.all_files().empty());
}

TEST_F(PageFileTest, AnyFlippedBitAndAnyCutIsFound) {
  const auto blocks = write();
  const std::string whole = disk_.contents("/d/f");
  const std::vector<std::uint32_t> all{0, 1, 2, 3};
  for (std::size_t at = 0; at < whole.size(); at += 997) {
    disk_.contents("/d/f")[at] ^= 16;
    const auto got = read(blocks, all);
    ASSERT_FALSE(got) << at;
    EXPECT_EQ(got.error().kind, ErrorKind::corrupt);
    disk_.contents("/d/f")[at] ^= 16;
  }
  disk_.contents("/d/f")[whole.size() / 2] ^= 1;
  EXPECT_FALSE(read(blocks, all));
  disk_.contents("/d/f") = whole.substr(0, whole.size() - 1);
  EXPECT_EQ(read(blocks, all).error().kind, ErrorKind::corrupt);
}

TEST_F(PageFileTest, AFullDiskIsAnError) {
  PageFileWriter writer([this] { return disk_.create("/d/f"); }, {1, 2}, sealer_);
  disk_.fail_from(2, ErrorKind::no_space);
  Result<void> added;
  for (std::size_t i = 0; i < pages_.size() && added; ++i) added = writer.add(pages_[i].data());
  EXPECT_FALSE(added && writer.finish());
}

}  // namespace
}  // namespace stasis
