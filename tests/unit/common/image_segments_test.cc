// SPDX-License-Identifier: Apache-2.0
#include "common/image_segments.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <iterator>

#include "common/full_io.h"
#include "common/memory_range.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

class ImageSegmentsTest : public ::testing::Test {
 protected:
  std::string page(std::uint64_t number, std::uint64_t at) const {
    std::string bytes(kPageSize, 'x');
    const auto segment = open_segment(directory_.fd(), "pages-1.img", number);
    EXPECT_TRUE(segment && read_fully_at(segment->get(), at * kPageSize, bytes.data(), bytes.size(), "read"));
    return bytes;
  }
  std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(directory_.path()), std::filesystem::directory_iterator());
  }

  const std::string pages_ = std::string(kPageSize, 'a') + std::string(kPageSize, 'b');
  const std::string zeros_ = std::string(kPageSize, '\0');
  TempDirectory directory_;
};

TEST_F(ImageSegmentsTest, PagesAreWhereTheyWerePutAndTheOthersZeros) {
  // The last of one segment and the first of the next.
  ASSERT_TRUE(put_into_segments(directory_.fd(), "pages-1.img", 2 * kSegmentPages - 1, pages_.data(), 2));
  EXPECT_EQ(page(1, kSegmentPages - 1), pages_.substr(0, kPageSize));
  EXPECT_EQ(page(2, 0), pages_.substr(kPageSize));
  EXPECT_EQ(page(2, 1), zeros_);
  EXPECT_EQ(page(2, kSegmentPages - 1), zeros_) << "to its end";
  EXPECT_EQ(page(0, 0), zeros_) << "and where nobody has put anything";
}

TEST_F(ImageSegmentsTest, WhatIsRemovedIsGone) {
  ASSERT_TRUE(put_into_segments(directory_.fd(), "pages-1.img", 0, pages_.data(), 2));
  ASSERT_TRUE(put_into_segments(directory_.fd(), "pages-2.img", 0, pages_.data(), 2));
  EXPECT_EQ(files(), 2);
  remove_segment(directory_.fd(), "pages-1.img", 0);
  EXPECT_EQ(files(), 1);
  remove_segment(directory_.fd(), "pages-1.img", 7);
  EXPECT_EQ(files(), 1) << "what is not there is no error";
}

}  // namespace
}  // namespace stasis
