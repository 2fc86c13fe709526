// SPDX-License-Identifier: Apache-2.0
#include "common/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace stasis {
namespace {

using ::testing::HasSubstr;

Keys keys() { return *Keys::parse("k1 " + std::string(64, 'a') + "\n"); }

Manifest example() {
  Manifest m;
  m.job = {"hpc", 1000, 812, 1700000000};
  m.part = "batch";
  m.number = 7;
  m.made_at = 1700003600;
  m.restarts = 2;
  m.reason = "interval";
  m.gid = 1000;
  m.root = 1002;
  m.stdio = {"/dev/null", "pipe:[17]", "/home/alice/job \"x\".out"};
  m.node = "n1";
  m.kernel = "6.12.0";
  m.criu = "4.2";
  m.command = "/bin/sleep 60";
  m.excluded = "n3";
  m.streams = {{"core-1.img", {1234, std::string(64, '0'), 600, Encoding::zstd}, "pack", 0, 7},
               {"shared-5", {10, std::string(64, 'f'), 10, Encoding::plain}, "shared-5", 0, 5}};
  return m;
}

// `text` with its JSON changed, and signed again: as if our own program had written nonsense.
Result<Manifest> body_with(const std::string& from, const std::string& to) {
  std::string text = write_manifest(example(), keys());
  text.erase(0, text.find('\n') + 1);
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return parse_manifest_body(text);
}

TEST(Manifest, ComesBackAsItWas) {
  const auto read = read_manifest(write_manifest(example(), keys()), keys());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, example());
  EXPECT_EQ(read->stream("shared-5")->generation, 5u);
  EXPECT_EQ(read->stream("shared-6"), nullptr);
}

TEST(Manifest, BytesThatAreNoTextDoNotStopIt) {
  Manifest m = example();
  m.stdio[2] = "/home/alice/\xff\xfe";
  const auto read = read_manifest(write_manifest(m, keys()), keys());
  ASSERT_TRUE(read);
  EXPECT_THAT(read->stdio[2], HasSubstr("/home/alice/"));
}

TEST(Manifest, CutAtAnyLengthItIsRefused) {
  const std::string whole = write_manifest(example(), keys());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto read = read_manifest(whole.substr(0, size), keys());
    ASSERT_FALSE(read) << size;
    EXPECT_THAT(read.error().kind, testing::AnyOf(ErrorKind::corrupt, ErrorKind::unsupported)) << size;
  }
  EXPECT_FALSE(read_manifest(whole + " ", keys())) << "and so it is with something added";
}

TEST(Manifest, AnyFlippedBitIsFound) {
  std::string text = write_manifest(example(), keys());
  for (std::size_t bit = 0; bit < text.size() * 8; ++bit) {
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(read_manifest(text, keys())) << bit;
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ (1 << bit % 8));
  }
}

TEST(Manifest, AnotherFormatIsRefusedByItsNumberBeforeAnythingElse) {
  for (const char* line : {"stasis-manifest 2 k1 00\n{}", "stasis-manifest 12345 what ever it has\n"}) {
    const auto read = read_manifest(line, keys());
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::unsupported);
    EXPECT_THAT(read.error().message, HasSubstr("knows format 1"));
  }
  for (const char* line : {"stasis-manifest 1x k1 00\n{}", "stasis-manifest -1 k1 00\n{}", "stasis-manifest  k1 00\n{}",
                           "stasis-manifest 99999999999999999999 k1 00\n{}", "stasis 1 k1 00\n{}", ""}) {
    EXPECT_EQ(read_manifest(line, keys()).error().kind, ErrorKind::corrupt) << line;
  }
}

TEST(Manifest, AKeyThatIsNotHereIsNamed) {
  const auto other = Keys::parse("k2 " + std::string(64, 'b') + "\n");
  const auto read = read_manifest(write_manifest(example(), *other), keys());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(read.error().message, HasSubstr("'k2'"));
}

TEST(Manifest, AnOlderKeyStillVerifies) {
  const auto both = Keys::parse("k1 " + std::string(64, 'a') + "\nk2 " + std::string(64, 'b') + "\n");
  EXPECT_TRUE(read_manifest(write_manifest(example(), keys()), *both));
  EXPECT_THAT(write_manifest(example(), *both), HasSubstr("stasis-manifest 1 k2 "));
}

TEST(Manifest, NonsenseIsRefusedEvenWhenItIsAuthentic) {
  const std::pair<const char*, const char*> changes[] = {
      {"\"uid\": 1000", "\"uid\": -1"},
      {"\"uid\": 1000", "\"uid\": 4294967296"},
      {"\"uid\": 1000", "\"uid\": 1.5"},
      {"\"uid\": 1000", "\"uid\": \"1000\""},
      {"\"uid\": 1000", "\"user\": 1000"},
      {"\"root\": 1002", "\"root\": 99999999999"},
      {"\"number\": 7", "\"number\": 4"},  // uses a stream of generation 5
      {"\"name\": \"core-1.img\"", "\"name\": \"../core-1.img\""},
      {"\"name\": \"core-1.img\"", "\"name\": \".hidden\""},
      {"\"name\": \"core-1.img\"", "\"name\": \"\""},
      {"\"name\": \"core-1.img\"", "\"name\": \"a\\u0000b\""},
      {"\"name\": \"core-1.img\"", "\"name\": \"shared-5\""},
      {"\"file\": \"pack\"", "\"file\": \"../../manifest\""},
      {"\"encoding\": \"zstd\"", "\"encoding\": \"lzma\""},
      {"\"offset\": 0", "\"offset\": 18446744073709551615"},
      {"\"pipe:[17]\"", "17"},
      {"\"/dev/null\",", ""},
      {"\"streams\": [", "\"streams\": [1,"},
      {"{", "[{"},
  };
  for (const auto& [from, to] : changes) {
    const auto read = body_with(from, to);
    ASSERT_FALSE(read) << to;
    EXPECT_EQ(read.error().kind, ErrorKind::corrupt) << to;
  }
}

TEST(Manifest, NestedWithoutEndItIsRefusedWithoutHarm) {
  EXPECT_FALSE(parse_manifest_body(std::string(1 << 20, '[')));
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"streams\":";
  EXPECT_FALSE(parse_manifest_body(deep));
}

// What the fuzz target (tests/fuzz) does for minutes, here for a moment: no bytes may do harm.
TEST(Manifest, RandomChangesDoNoHarm) {
  const std::string whole = write_manifest(example(), keys());
  const std::string body = whole.substr(whole.find('\n') + 1);
  std::minstd_rand random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string text = body;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 20);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 30));
      }
      if (text.empty()) text = " ";
    }
    const auto read = parse_manifest_body(text);
    if (!read) {
      EXPECT_EQ(read.error().kind, ErrorKind::corrupt);
    }
  }
}

}  // namespace
}  // namespace stasis
