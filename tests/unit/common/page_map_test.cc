// SPDX-License-Identifier: Apache-2.0
#include "common/page_map.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

PageMap example() {
  PageMap map;
  map.files[3] = {{"k1", {7}},
                  {{0, 5000, kBlockPages, Encoding::zstd, {1}}, {5000, 2 * kPageSize, 2, Encoding::plain, {2}}}};
  map.files[8] = {{"k2", {8}}, {{0, 4096, 1, Encoding::plain, {3}}}};
  map.images = {{"pages-1.img", {{3, 0, 100}, {0, 0, 7}, {8, 0, 1}, {3, 257, 1}}}, {"pages-2.img", {}}};
  return map;
}

TEST(PageMap, ComesBackAsItWas) {
  const auto read = read_page_map(write_page_map(example()));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, example());
}

TEST(PageMap, CutAtAnyLengthOrLongerItIsRefused) {
  const ScratchString text = write_page_map(example());
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto read = read_page_map(text.substr(0, size));
    ASSERT_FALSE(read) << size;
  }
  EXPECT_FALSE(read_page_map(text + "x"));
}

TEST(PageMap, AnotherFormatIsRefusedByName) {
  const auto read = read_page_map("stasis-memory 1\n");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(read_page_map("whatever").error().kind, ErrorKind::corrupt);
}

TEST(PageMap, RunsLeadToPagesThatAreThere) {
  const auto refused = [](const PageRun& run) {
    PageMap map = example();
    map.images[0].runs.push_back(run);
    return !read_page_map(write_page_map(map));
  };
  EXPECT_FALSE(refused({3, 257, 1}));
  EXPECT_TRUE(refused({3, 257, 2}));
  EXPECT_TRUE(refused({3, 258, 1}));
  EXPECT_TRUE(refused({3, 0, 0}));
  EXPECT_TRUE(refused({4, 0, 1}));
  EXPECT_TRUE(refused({0, 1, 1}));
  EXPECT_TRUE(refused({3, 0xffffffff, 2}));
}

TEST(PageMap, BlocksAreWhatTheyCanBe) {
  const auto refused = [](const std::function<void(PageBlock&)>& change) {
    PageMap map = example();
    change(map.files[3].blocks[0]);
    return !read_page_map(write_page_map(map));
  };
  EXPECT_TRUE(refused([](PageBlock& block) { block.pages = 0; }));
  EXPECT_TRUE(refused([](PageBlock& block) { block.pages = kBlockPages - 1; }));
  EXPECT_TRUE(refused([](PageBlock& block) { block.pages = kBlockPages + 1; }));
  EXPECT_TRUE(refused([](PageBlock& block) { block.offset = 1; }));
  EXPECT_TRUE(refused([](PageBlock& block) { block.stored = 0; }));
  EXPECT_TRUE(refused([](PageBlock& block) { block.encoding = Encoding::plain; }));
}

TEST(PageMap, ImageNamesAreNames) {
  for (const char* name : {"pages-1/../../x", "core-1.img", ""}) {
    PageMap map = example();
    map.images[1].name = name;
    EXPECT_FALSE(read_page_map(write_page_map(map))) << name;
  }
  PageMap twice = example();
  twice.images[1].name = twice.images[0].name;
  EXPECT_FALSE(read_page_map(write_page_map(twice)));
}

TEST(PageImage, PutsPagesThatFollowEachOtherIntoOneRun) {
  PageImage image;
  for (const PagePlace place : {PagePlace{3, 5}, {3, 6}, {3, 8}, {0, 0}, {0, 0}, {4, 9}}) image.add(place);
  EXPECT_EQ(image.runs, (PageRuns{{3, 5, 2}, {3, 8, 1}, {0, 0, 2}, {4, 9, 1}}));
  EXPECT_EQ(image.pages(), 6U);
}

TEST(PageMap, CountsWhatIsUsedOnce) {
  PageMap map = example();
  map.images[1].runs = {{3, 50, 100}};
  const auto use = map.use();
  EXPECT_EQ(use.at(3).pages, kBlockPages + 2);
  EXPECT_EQ(use.at(3).used, 151U);
  EXPECT_EQ(use.at(8).used, 1U);
}

}  // namespace
}  // namespace stasis
