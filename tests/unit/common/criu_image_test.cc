// SPDX-License-Identifier: Apache-2.0
#include "common/criu_image.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using Entries = std::vector<std::string>;

TEST(CriuImage, ReadsWhatItWrites) {
  const Entries entries{"one", "", std::string("th\0ree", 6)};
  EXPECT_EQ(read_criu_image(write_criu_image(entries, kCriuFilesMagic), kCriuFilesMagic), entries);
  EXPECT_EQ(read_criu_image(write_criu_image({}, kCriuFilesMagic), kCriuFilesMagic), Entries());
}

TEST(CriuImage, IsTheBytesThatCriuReads) {
  const std::string bytes("\x19\x43\x56\x54\x38\x31\x30\x56\x02\0\0\0ab", 14);
  EXPECT_EQ(write_criu_image({"ab"}, kCriuFilesMagic), bytes);
}

TEST(CriuImage, RefusesAnotherKindAndWhatIsCutOffAnywhere) {
  const std::string image = write_criu_image({"one", "two"}, kCriuFilesMagic);
  EXPECT_FALSE(read_criu_image(image, kCriuFilesMagic + 1));
  for (std::size_t size = 0; size < image.size(); ++size) {
    // After the first entry it is a whole image, of one entry.
    const bool whole = size == 8 || size == 15;
    EXPECT_EQ(read_criu_image(image.substr(0, size), kCriuFilesMagic).has_value(), whole) << size;
  }
  std::string other = image;
  other[0] = 'x';
  EXPECT_FALSE(read_criu_image(other, kCriuFilesMagic));
}

}  // namespace
}  // namespace stasis
