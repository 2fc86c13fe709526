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
  progress.add("pages-1.img", kBlock, kBlock);
  progress.add("pages-1.img", 0, kBlock - 1);
  progress.add("pages-1.img", kBlock - 1, 1);
  EXPECT_EQ(*progress.wait_beyond("pages-1.img", 0), 2 * kBlock);
  progress.add("pages-1.img", 2 * kBlock, kBlock + 10);
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
  progress.add("pages-1.img", 0, 2 * kBlock);
  while (seen == 0) std::this_thread::yield();
  progress.fail({ErrorKind::corrupt, "a block is damaged"});
  reader.join();
  EXPECT_EQ(seen, 2 * kBlock);
  EXPECT_EQ(progress.wait_beyond("pages-1.img", 0).error().kind, ErrorKind::corrupt);
}

}  // namespace
}  // namespace stasis
