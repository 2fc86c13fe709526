// SPDX-License-Identifier: Apache-2.0
#include "common/message.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

namespace stasis {
namespace {

using namespace std::string_literals;

Message sample() {
  return Message("task_start")
      .add("job", 812)
      .add("argv", "srun")
      .add("argv", "")
      .add("argv", "a=b\n\xff")
      .add("submit_time", std::int64_t{1700000000});
}

TEST(Message, OnTheWireIsWhatTheHeaderSays) {
  EXPECT_EQ(Message("hello").add("job", 812).add("text", "a=b").encode().value(),
            "stasis1\0hello\0job=812\0text=a=b\0"s);
}

TEST(Message, DecodedIsWhatWasEncoded) {
  const auto decoded = Message::decode(sample().encode().value());
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(*decoded, sample());
  EXPECT_EQ(decoded->verb(), "task_start");
  EXPECT_EQ(decoded->get("job"), "812");
  EXPECT_EQ(decoded->get_all("argv"), (std::vector<std::string_view>{"srun", "", "a=b\n\xff"}));
  EXPECT_FALSE(decoded->get("step"));
  EXPECT_TRUE(decoded->has("argv"));
}

TEST(Message, NumbersAreTakenWholeAndInRange) {
  Message message("x");
  message.add("good", 42).add("low", -1).add("text", "42x").add("empty", "").add("huge", "99999999999999999999");
  message.add("lowest", std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(message.get_int("good", 0, 100).value(), 42);
  EXPECT_EQ(message.get_int("low", -1, 100).value(), -1);
  EXPECT_EQ(message.get_int("lowest", std::numeric_limits<std::int64_t>::min(), 0).value(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(message.get_int("none", 0, 100).error().kind, ErrorKind::not_found);
  for (const char* key : {"low", "text", "empty", "huge"}) {
    EXPECT_EQ(message.get_int(key, 0, 100).error().kind, ErrorKind::corrupt) << key;
  }
  EXPECT_EQ(message.get_int("good", 0, 41).error().kind, ErrorKind::corrupt);
}

TEST(Message, WhatBreaksTheRulesIsNotEncoded) {
  EXPECT_FALSE(Message("").encode());
  EXPECT_FALSE(Message("Hello").encode());
  EXPECT_FALSE(Message("a b").encode());
  EXPECT_FALSE(Message("x").add("", "v").encode());
  EXPECT_FALSE(Message("x").add("k=", "v").encode());
  EXPECT_FALSE(Message("x").add("key1", "v").encode());
  EXPECT_FALSE(Message("x").add(std::string(kMaxNameBytes + 1, 'k'), "v").encode());
  EXPECT_FALSE(Message("x").add("k", "a\0b"s).encode());
  EXPECT_FALSE(Message("x").add("k", std::string(kMaxMessageBytes, 'v')).encode());
}

TEST(Message, HoldsExactlyAsManyFieldsAndBytesAsItMay) {
  Message message("x");
  for (std::size_t i = 0; i < kMaxMessageFields; ++i) message.add("k", "v");
  EXPECT_TRUE(Message::decode(message.encode().value()));
  message.add("k", "v");
  EXPECT_FALSE(message.encode());

  const std::size_t overhead = Message("x").add("k", "").encode().value().size();
  const auto full = Message("x").add("k", std::string(kMaxMessageBytes - overhead, 'v')).encode();
  ASSERT_TRUE(full);
  EXPECT_EQ(full->size(), kMaxMessageBytes);
  EXPECT_TRUE(Message::decode(*full));
  EXPECT_FALSE(Message::decode(*full + '\0'));
}

TEST(Message, MalformedBytesAreRefused) {
  for (const std::string& bytes :
       {""s, "\0"s, "stasis1"s, "stasis1\0"s, "stasis1\0\0"s, "stasis1\0hello"s, "stasis1\0Hello\0"s, "junk\0hello\0"s,
        "stasis1\0hello\0\0"s, "stasis1\0hello\0key\0"s, "stasis1\0hello\0=v\0"s, "stasis1\0hello\0k=v"s,
        "stasis1\0hello\0k=v\0x"s, "stasis1\0hello\0K=v\0"s}) {
    const auto message = Message::decode(bytes);
    ASSERT_FALSE(message) << testing::PrintToString(bytes);
    EXPECT_EQ(message.error().kind, ErrorKind::corrupt);
  }
}

TEST(Message, AnotherVersionIsRefusedByName) {
  const auto message = Message::decode("stasis2\0hello\0"s);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().kind, ErrorKind::unsupported);
}

TEST(Message, CutAtAnyLengthIsRefusedOrASmallerMessage) {
  const std::string whole = sample().encode().value();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string cut = whole.substr(0, length);
    const auto message = Message::decode(cut);
    // Cut behind a NUL it is a message with fewer fields; the socket's datagrams are never cut.
    if (message) {
      EXPECT_EQ(message->encode().value(), cut);
    }
  }
}

TEST(Message, AnyByteFlippedIsRefusedOrAnotherValidMessage) {
  const std::string whole = sample().encode().value();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      const auto message = Message::decode(flipped);
      if (message) {
        EXPECT_EQ(message->encode().value(), flipped);
      }
    }
  }
}

TEST(Message, RandomBytesNeverCrashAndWhatIsAcceptedEncodesToTheSame) {
  std::mt19937 random(7);
  const std::string alphabet = "stasis1hello=k_\0\0\0=\xffZ"s;
  std::uniform_int_distribution<std::size_t> any(0, alphabet.size() - 1);
  std::uniform_int_distribution<std::size_t> any_length(0, 60);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = i % 2 == 0 ? "stasis1\0v\0"s : ""s;
    for (std::size_t n = any_length(random); n > 0; --n) bytes += alphabet[any(random)];
    const auto message = Message::decode(bytes);
    if (message) {
      EXPECT_EQ(message->encode().value(), bytes);
    }
  }
}

}  // namespace
}  // namespace stasis
