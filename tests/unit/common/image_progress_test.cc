// SPDX-License-Identifier: Apache-2.0
#include "common/image_progress.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace stasis {
namespace {

constexpr std::uint64_t kBlock = kBlockPages;
// An image of three blocks and a bit.
constexpr std::uint64_t kPages = 3 * kBlock + 10;

PageMap map() {
  PageMap map;
  map.images.push_back({"pages-1.img", {{0, 0, kPages}}});
  map.images.push_back({"pages-2.img", {}});
  return map;
}

TEST(ImageProgress, CountsFromTheBeginningOn) {
  ImageProgress progress(map());
  EXPECT_TRUE(progress.add("pages-1.img", kBlock, kBlock));
  EXPECT_TRUE(progress.add("pages-1.img", 0, kBlock - 1));
  EXPECT_TRUE(progress.add("pages-1.img", kBlock - 1, 1));
  EXPECT_EQ(*progress.wait_beyond("pages-1.img", 0), 2 * kBlock);
  EXPECT_TRUE(progress.add("pages-1.img", 2 * kBlock, kBlock + 10));
  EXPECT_EQ(*progress.wait_beyond("pages-1.img", 2 * kBlock), kPages);
  EXPECT_EQ(*progress.wait_beyond("pages-1.img", kPages), kPages) << "all of it is";
  EXPECT_EQ(*progress.wait_beyond("pages-2.img", 0), 0U) << "it has none";
  EXPECT_EQ(progress.wait_beyond("pages-3.img", 0).error().kind, ErrorKind::not_found);
}

TEST(ImageProgress, WhoWaitsIsToldOfMoreAndOfTheEnd) {
  ImageProgress progress(map());
  std::atomic<std::uint64_t> seen{0};
  std::thread reader([&] {
    for (;;) {
      const auto there = progress.wait_beyond("pages-1.img", seen);
      if (!there) break;
      seen = *there;
    }
  });
  EXPECT_TRUE(progress.add("pages-1.img", 0, 2 * kBlock));
  while (seen == 0) std::this_thread::yield();
  EXPECT_TRUE(progress.fail({ErrorKind::corrupt, "a block is damaged"}));
  reader.join();
  EXPECT_EQ(seen, 2 * kBlock);
  EXPECT_EQ(progress.wait_beyond("pages-1.img", 0).error().kind, ErrorKind::corrupt);
  EXPECT_FALSE(progress.fail({ErrorKind::lost, "nobody reads it"})) << "the first reason is the one";
  EXPECT_EQ(progress.add("pages-1.img", 2 * kBlock, 1).error().kind, ErrorKind::corrupt);
}

// More than anybody wants to have lying about, in one image.
constexpr std::uint64_t kLot = 256 * kBlock;

class ImageProgressAhead : public ::testing::Test {
 protected:
  static PageMap map() {
    PageMap map;
    map.images.push_back({"pages-1.img", {{0, 0, 2 * kLot}}});
    return map;
  }
  ~ImageProgressAhead() override { fetcher_.join(); }
  void fetch() {
    fetcher_ = std::thread([this] {
      outcome_ = progress_.wait_for_readers();
      went_on_ = true;
    });
  }

  ImageProgress progress_{map()};
  std::atomic<bool> went_on_{false};
  Result<void> outcome_;
  std::thread fetcher_;
};

TEST_F(ImageProgressAhead, WhoFetchesWaitsUntilItWasRead) {
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kLot));
  fetch();
  EXPECT_EQ(*progress_.wait_beyond("pages-1.img", 0), kLot) << "nobody has to wait for what is there";
  EXPECT_FALSE(went_on_);
  progress_.have_read(1);
  while (!went_on_) std::this_thread::yield();
  EXPECT_TRUE(outcome_);
}

TEST_F(ImageProgressAhead, ButNotWhereAReaderWaitsForMore) {
  // What is there is of no use to him: it is the end.
  EXPECT_TRUE(progress_.add("pages-1.img", kLot, kLot));
  std::thread reader([this] { EXPECT_EQ(*progress_.wait_beyond("pages-1.img", 0), 2 * kLot); });
  fetch();
  while (!went_on_) std::this_thread::yield();
  EXPECT_TRUE(outcome_);
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kLot));
  reader.join();
}

TEST_F(ImageProgressAhead, NorWhereNobodyReadsAnyMore) {
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kLot));
  fetch();
  progress_.fail({ErrorKind::lost, "nobody reads it any more"});
  while (!went_on_) std::this_thread::yield();
  EXPECT_FALSE(outcome_);
}

}  // namespace
}  // namespace stasis
