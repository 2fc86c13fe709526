// SPDX-License-Identifier: Apache-2.0
#include "common/page_seal.h"

#include <gtest/gtest.h>

#include <string>

namespace stasis {
namespace {

const std::string kOld = "k1 " + std::string(64, 'a') + "\n";
const std::string kNew = "k2 " + std::string(64, 'b') + "\n";

BlockCode code(const PageSealer& sealer, std::uint32_t block, const std::string& bytes) {
  return sealer.code(block, bytes.data(), bytes.size());
}

TEST(PageSeal, TheSameBlockOfTheSameFileHasTheSameCode) {
  const Keys keys = *Keys::parse(kOld);
  const auto made = PageSealer::make(keys);
  ASSERT_TRUE(made);
  const auto opened = PageSealer::open(keys, made->seal());
  ASSERT_TRUE(opened);
  EXPECT_EQ(code(*made, 7, "pages"), code(*opened, 7, "pages"));
}

TEST(PageSeal, AnyOtherBlockHasAnother) {
  const Keys keys = *Keys::parse(kOld + kNew);
  const auto sealer = PageSealer::make(keys);
  const auto other_file = PageSealer::make(keys);
  ASSERT_TRUE(sealer && other_file);
  const BlockCode expected = code(*sealer, 7, "pages");
  EXPECT_NE(code(*sealer, 8, "pages"), expected);
  EXPECT_NE(code(*sealer, 7 + (1U << 24), "pages"), expected);
  EXPECT_NE(code(*sealer, 7, "pageS"), expected);
  EXPECT_NE(code(*sealer, 7, std::string("pages\0", 6)), expected);
  EXPECT_NE(code(*other_file, 7, "pages"), expected);
  PageSeal seal = sealer->seal();
  seal.key_id = "k1";
  EXPECT_NE(code(*PageSealer::open(keys, seal), 7, "pages"), expected);
}

TEST(PageSeal, TheNewestKeySeals) { EXPECT_EQ(PageSealer::make(*Keys::parse(kOld + kNew))->seal().key_id, "k2"); }

// Computed by another program: HMAC-SHA-256 of "stasis page file\n" and the salt, and GMAC by the openssl command.
TEST(PageSeal, IsWhatTheFormatSays) {
  PageSeal seal{"k1", {}};
  for (std::size_t i = 0; i < seal.salt.size(); ++i) seal.salt[i] = static_cast<std::uint8_t>(i);
  const auto sealer = PageSealer::open(*Keys::parse(kOld), seal);
  ASSERT_TRUE(sealer);
  const BlockCode expected = {0xd1, 0xb8, 0xf3, 0x0b, 0x33, 0x31, 0x8a, 0xfb,
                              0x28, 0x48, 0xdd, 0xed, 0xe7, 0xf2, 0x92, 0x2c};
  EXPECT_EQ(code(*sealer, 258, "a page"), expected);
}

}  // namespace
}  // namespace stasis
