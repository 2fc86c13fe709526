// SPDX-License-Identifier: Apache-2.0
#include "common/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sha256.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kA(64, 'a');
const std::string kB(64, 'b');

TEST(Sha256, KnowsTheStandardsOwnExamples) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  // RFC 4231, test case 2.
  EXPECT_EQ(hmac_hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Sha256, ComparesCodes) {
  EXPECT_TRUE(same_code("abc", "abc"));
  EXPECT_FALSE(same_code("abc", "abd"));
  EXPECT_FALSE(same_code("abc", "ab"));
}

TEST(Keys, TheNewestSignsAndAllVerify) {
  const auto old_ones = Keys::parse("# made in 2025\nk1 " + kA + "\n");
  const auto both = Keys::parse("k1 " + kA + "\n\nk2 " + kB + "\n");
  ASSERT_TRUE(old_ones && both);
  EXPECT_EQ(both->sign("text").key_id, "k2");
  EXPECT_TRUE(both->verify("text", old_ones->sign("text")));
  const auto unknown = old_ones->verify("text", both->sign("text"));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind, ErrorKind::unsupported);
}

TEST(Keys, AnythingElseDoesNotVerify) {
  const auto keys = Keys::parse("k1 " + kA + "\n");
  const auto signature = keys->sign("text");
  EXPECT_EQ(keys->verify("texu", signature).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(keys->verify("text", {"k1", ""}).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(keys->verify("text", {"k1", Keys::parse("k1 " + kB)->sign("text").code}).error().kind, ErrorKind::corrupt);
}

TEST(Keys, BadFilesAreRefusedByLineWithoutShowingTheSecret) {
  for (const char* text : {"k1", "k1 ", "k1 abc", "k1  ", "K1 ", " k1 "}) {
    const auto keys = Keys::parse("k0 " + kB + "\n" + std::string(text) + kA + "0\n");
    ASSERT_FALSE(keys) << text;
    EXPECT_EQ(keys.error().kind, ErrorKind::corrupt);
    EXPECT_THAT(keys.error().message, HasSubstr("line 2"));
    EXPECT_THAT(keys.error().message, Not(HasSubstr("aaa")));
  }
  EXPECT_FALSE(Keys::parse("k1 " + kA + "\nk1 " + kB + "\n")) << "one id, two keys";
  EXPECT_FALSE(Keys::parse(""));
  EXPECT_FALSE(Keys::parse("# nothing\n"));
  EXPECT_FALSE(Keys::parse("k1 " + std::string(64, 'A') + "\n")) << "one spelling only";
}

TEST(Keys, MadeOnesDifferAndCanBeRead) {
  const auto one = Keys::make("n-1");
  const auto two = Keys::make("n-2");
  ASSERT_TRUE(one && two);
  EXPECT_NE(one->substr(4), two->substr(4));
  EXPECT_TRUE(Keys::parse(*one + *two));
  EXPECT_FALSE(Keys::make("Not an id"));
  EXPECT_FALSE(Keys::make(""));
}

TEST(Keys, AFileThatOthersCanReadIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "a key file belongs to root";
  const TempDirectory directory;
  directory.write("key", "k1 " + kA + "\n");
  const std::string path = directory / "key";
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  EXPECT_TRUE(Keys::load(path));
  for (const mode_t mode : {0640U, 0604U, 0620U, 0611U}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const auto keys = Keys::load(path);
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().kind, ErrorKind::denied);
    EXPECT_THAT(keys.error().message, HasSubstr("chmod 600"));
  }
  ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  ASSERT_EQ(::chown(path.c_str(), 1000, 0), 0);
  EXPECT_EQ(Keys::load(path).error().kind, ErrorKind::denied);
  EXPECT_THAT(Keys::load(directory / "none").error().message, HasSubstr("keygen"));
}

}  // namespace
}  // namespace stasis
