// SPDX-License-Identifier: Apache-2.0
#include "common/checkpoint_name.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

TEST(CheckpointName, IsAJobOrOneOfItsCheckpoints) {
  EXPECT_EQ(parse_checkpoint_name("812").value(), (CheckpointName{812, std::nullopt}));
  EXPECT_EQ(parse_checkpoint_name("812:3").value(), (CheckpointName{812, 3}));
  for (const char* text : {"1", "4294967295:4294967295"}) EXPECT_EQ(parse_checkpoint_name(text).value().text(), text);
}

TEST(CheckpointName, IsNothingElse) {
  for (const char* text : {"", ":", "812:", ":3", "0", "812:0", "-1", "812:-1", "812 ", " 812", "812:3:4", "812.batch",
                           "4294967296", "job", "0x10", "812:last"}) {
    const auto name = parse_checkpoint_name(text);
    ASSERT_FALSE(name) << text;
    EXPECT_EQ(name.error().message,
              "'" + std::string(text) + "' is neither a job's number nor JOB:CHECKPOINT, such as 812:3");
  }
}

TEST(CheckpointName, OfATaskOfAnArrayHasToBeItsOwnNumber) {
  for (const char* text : {"812_7", "812_7:3"}) {
    const auto name = parse_checkpoint_name(text);
    ASSERT_FALSE(name);
    EXPECT_NE(name.error().message.find("has a job number of its own: `squeue"), std::string::npos);
  }
}

}  // namespace
}  // namespace stasis
