// SPDX-License-Identifier: Apache-2.0
#include "common/page_index.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

class PageIndexTest : public ::testing::Test {
 protected:
  static std::string page(int number) {
    std::string bytes(kPageSize, static_cast<char>(number));
    bytes.replace(0, sizeof number, reinterpret_cast<const char*>(&number), sizeof number);
    return bytes;
  }
  PageIndex open(const std::string& identity, std::uint64_t pages = 10) {
    auto index = PageIndex::open(path_, identity, pages);
    EXPECT_TRUE(index) << index.error().message;
    return std::move(*index);
  }
  static void add(PageIndex& index, int number, PagePlace place) {
    ASSERT_TRUE(index.add(index.hash(page(number).data()), place));
  }
  static std::optional<PagePlace> find(const PageIndex& index, int number) {
    return index.find(index.hash(page(number).data()));
  }

  TempDirectory directory_;
  std::string path_ = directory_.path() + "/pages";
};

TEST_F(PageIndexTest, FindsWhatWasAdded) {
  PageIndex index = open("");
  EXPECT_FALSE(find(index, 1));
  add(index, 1, {7, 0});
  add(index, 2, {7, 1});
  EXPECT_EQ(find(index, 1), (PagePlace{7, 0}));
  EXPECT_EQ(find(index, 2), (PagePlace{7, 1}));
  EXPECT_FALSE(find(index, 3));
}

TEST_F(PageIndexTest, WhatWasKeptIsThereNextTime) {
  {
    PageIndex index = open("");
    add(index, 1, {7, 0});
    ASSERT_TRUE(index.keep("the seventh", {{7, {1, 1}}}));
  }
  const PageIndex index = open("the seventh");
  EXPECT_EQ(find(index, 1), (PagePlace{7, 0}));
  ASSERT_EQ(index.files().size(), 1U);
  EXPECT_EQ(index.files().at(7).pages, 1U);
}

TEST_F(PageIndexTest, OfAnotherGenerationItKnowsNothing) {
  {
    PageIndex index = open("");
    add(index, 1, {7, 0});
    ASSERT_TRUE(index.keep("the seventh", {{7, {1, 1}}}));
  }
  EXPECT_FALSE(find(open("another"), 1));
  EXPECT_FALSE(find(open("the seventh"), 1)) << "it was made anew";
}

// A checkpoint that failed leaves pages under a number that the next one uses again, for other pages.
TEST_F(PageIndexTest, WhatWasNotKeptIsNeverFoundAgain) {
  {
    PageIndex index = open("");
    add(index, 1, {7, 0});
    ASSERT_TRUE(index.keep("the seventh", {{7, {1, 1}}}));
  }
  for (int attempt = 0; attempt < 300; ++attempt) {
    PageIndex index = open("the seventh");
    ASSERT_EQ(find(index, 1), (PagePlace{7, 0}));
    ASSERT_FALSE(find(index, 100 + attempt - 1)) << attempt;
    add(index, 100 + attempt, {8, 0});
    ASSERT_TRUE(find(index, 100 + attempt));
  }
  PageIndex index = open("the seventh");
  add(index, 1000, {8, 0});
  ASSERT_TRUE(index.keep("the eighth", {{7, {1, 1}}, {8, {1, 1}}}));
  const PageIndex after = open("the eighth");
  EXPECT_EQ(find(after, 1000), (PagePlace{8, 0}));
  for (int attempt = 0; attempt < 300; ++attempt) EXPECT_FALSE(find(after, 100 + attempt));
}

TEST_F(PageIndexTest, GrowsAndLosesNothing) {
  PageIndex index = open("", 1);
  const auto small = std::filesystem::file_size(path_);
  for (int i = 0; i < 20000; ++i) add(index, i, {3, static_cast<std::uint32_t>(i)});
  EXPECT_GT(std::filesystem::file_size(path_), small);
  for (int i = 0; i < 20000; ++i) EXPECT_EQ(find(index, i), (PagePlace{3, static_cast<std::uint32_t>(i)}));
}

TEST_F(PageIndexTest, WhatIsForgottenIsNotFound) {
  PageIndex index = open("");
  add(index, 1, {7, 0});
  add(index, 2, {8, 0});
  index.forget(7);
  EXPECT_FALSE(find(index, 1));
  EXPECT_TRUE(find(index, 2));
  add(index, 1, {9, 0});
  EXPECT_EQ(find(index, 1), (PagePlace{9, 0}));
}

TEST_F(PageIndexTest, ADamagedOneIsMadeAnew) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{8192}, std::size_t{20000}}) {
    {
      PageIndex index = open("");
      add(index, 1, {7, 0});
      ASSERT_TRUE(index.keep("the seventh", {{7, {1, 1}}}));
    }
    std::filesystem::resize_file(path_, size);
    EXPECT_FALSE(find(open("the seventh"), 1)) << size;
  }
}

TEST_F(PageIndexTest, ADirectoryThatIsGoneIsAnError) {
  EXPECT_FALSE(PageIndex::open(directory_.path() + "/none/pages", "", 10));
}

}  // namespace
}  // namespace stasis
