// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_record.h"

#include <gtest/gtest.h>

namespace stasis {
namespace {

using std::chrono::seconds;

Message made(std::uint32_t number, std::int64_t took_ms) {
  return Message("checkpointed").add("number", number).add("took_ms", took_ms).add("frozen_us", 50000).add("bytes", 7);
}

TEST(RunRecord, WorkIsAtRiskSinceTheRunBeganOrWasLastCheckpointed) {
  RunRecord record;
  EXPECT_EQ(record.at_risk(1000), seconds(0));
  record.begin(1000);
  record.begin(1500);
  EXPECT_EQ(record.at_risk(1600), seconds(600));
  EXPECT_EQ(record.note(made(1, 2000), 1602), seconds(600));
  EXPECT_EQ(record.at_risk(1700), seconds(100));
  EXPECT_EQ(record.note(made(2, 0), 1800), seconds(200));
  EXPECT_EQ(record.number, 2U);
  EXPECT_EQ(record.frozen_ms, 50);
}

TEST(RunRecord, AFailureMakesNothingSafeAndIsRemembered) {
  RunRecord record;
  record.begin(1000);
  EXPECT_EQ(record.note(Message("skipped").add("text", "io_uring"), 1100), seconds(0));
  EXPECT_EQ(record.trouble, "io_uring");
  EXPECT_EQ(record.at_risk(1100), seconds(100));
  EXPECT_EQ(record.note(Message("left").add("text", "after its steps"), 1100), seconds(0));
  EXPECT_EQ(record.trouble, "io_uring");
  EXPECT_EQ(record.note(made(1, 0), 1200), seconds(200));
  EXPECT_EQ(record.trouble, "");
}

TEST(RunRecord, WorkIsSafeOnceItsProgramWasToldToKeepIt) {
  RunRecord record;
  record.begin(1000);
  (void)record.note(Message("skipped").add("text", "nobody catches it"), 1050);
  EXPECT_EQ(record.note(Message("signalled").add("took_ms", 0), 1100), seconds(100));
  EXPECT_EQ(record.at_risk(1130), seconds(30));
  EXPECT_EQ(record.trouble, "");
  EXPECT_EQ(record.number, 0U);
}

TEST(RunRecord, WhatARequeueLostIsCountedOnce) {
  RunRecord record;
  const Message job = Message("job").add("submitted", 1300);
  EXPECT_EQ(record.take_loss(job), seconds(0)) << "it began from scratch";
  record.resume(3, 1000);
  EXPECT_EQ(record.take_loss(Message("job")), seconds(0)) << "slurmctld was away";
  EXPECT_EQ(record.take_loss(job), seconds(300));
  EXPECT_EQ(record.take_loss(job), seconds(0));
  RunRecord left;
  left.resume(3, 1310);
  EXPECT_EQ(left.take_loss(job), seconds(0)) << "requeued first, then checkpointed";
}

}  // namespace
}  // namespace stasis
