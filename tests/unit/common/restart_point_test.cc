// SPDX-License-Identifier: Apache-2.0
#include "common/restart_point.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/stored_checkpoint.h"
#include "memory_file_system.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using test::MemoryFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kKeyLine = "k1 " + std::string(64, 'a') + "\n";
const JobKey kJob{"hpc", 1000, 812, 1700000000};
const std::string kParts = "/scratch/hpc/1000/812-1700000000/";

class RestartPoint : public ::testing::Test {
 protected:
  RestartPoint() {
    EXPECT_TRUE(disk_->make_directory("/scratch", 0755));
    EXPECT_TRUE(disk_->sync_directory("/"));
  }

  void publish(const std::string& part, std::uint32_t number, std::time_t made_at) {
    const TempDirectory local;
    local.write("core-1.img", part + std::to_string(number));
    Manifest m;
    m.job = kJob;
    m.part = part;
    m.number = number;
    m.made_at = made_at;
    m.gid = 1000;
    m.node = "n1";
    m.reason = "interval";
    const auto published = store_.publish(local.fd(), m);
    ASSERT_TRUE(published) << published.error().message;
  }

  static std::vector<std::uint32_t> numbers(const Result<std::vector<Generation>>& list) {
    std::vector<std::uint32_t> found;
    for (const auto& one : list.value()) found.push_back(one.number);
    return found;
  }
  std::vector<std::uint32_t> kept(const std::string& part = "batch") { return numbers(store_.generations(kJob, part)); }
  std::vector<std::uint32_t> aside(const std::string& part = "batch") { return numbers(store_.set_aside(kJob, part)); }
  Result<void> choose(std::uint32_t number) { return choose_restart_point(store_, {kJob}, number); }

  std::shared_ptr<MemoryFileSystem> disk_ = std::make_shared<MemoryFileSystem>();
  CheckpointStore store_{"/scratch", Keys::parse(kKeyLine).value(), disk_};
};

TEST_F(RestartPoint, LaterOnesAreSetAsideAndCanBeBroughtBack) {
  for (const std::uint32_t number : {1U, 2U, 3U}) publish("batch", number, number);
  ASSERT_TRUE(choose(1));
  EXPECT_THAT(kept(), ElementsAre(1));
  EXPECT_THAT(aside(), ElementsAre(2, 3));
  ASSERT_TRUE(choose(3));
  EXPECT_THAT(kept(), ElementsAre(1, 3));
  EXPECT_THAT(aside(), ElementsAre(2));
  const auto generations = store_.generations(kJob, "batch").value();
  for (const auto& one : generations) EXPECT_TRUE(store_.verify(one, kJob, "batch"));
}

TEST_F(RestartPoint, NumbersOfThoseSetAsideAreNotGivenAgain) {
  EXPECT_EQ(store_.next_number(kJob, "batch").value(), 1U);
  publish("batch", 1, 1);
  publish("batch", 2, 2);
  ASSERT_TRUE(choose(1));
  EXPECT_EQ(store_.next_number(kJob, "batch").value(), 3U);
}

TEST_F(RestartPoint, PruneLeavesWhatWasSetAside) {
  for (const std::uint32_t number : {1U, 2U, 3U}) publish("batch", number, number);
  ASSERT_TRUE(choose(2));
  publish("batch", 4, 4);
  ASSERT_TRUE(store_.prune(kJob, "batch", 1));
  EXPECT_THAT(kept(), ElementsAre(4));
  EXPECT_THAT(aside(), ElementsAre(3));
  ASSERT_TRUE(choose(3));
  EXPECT_THAT(kept(), ElementsAre(3));
}

TEST_F(RestartPoint, StepsGoBackToTheSameMoment) {
  publish("batch", 1, 100);
  publish("0.0", 1, 90);
  publish("0.0", 2, 150);
  publish("1.0", 1, 180);
  publish("batch", 2, 200);
  ASSERT_TRUE(choose(1));
  EXPECT_THAT(kept("0.0"), ElementsAre(1));
  EXPECT_THAT(aside("0.0"), ElementsAre(2));
  EXPECT_THAT(kept("1.0"), IsEmpty());
  EXPECT_THAT(aside("1.0"), ElementsAre(1));
  ASSERT_TRUE(choose(2));
  EXPECT_THAT(kept("0.0"), ElementsAre(1, 2));
  EXPECT_THAT(kept("1.0"), ElementsAre(1));
}

TEST_F(RestartPoint, OneThatIsNotThereOrDamagedChangesNothing) {
  for (const std::uint32_t number : {1U, 2U, 3U}) publish("batch", number, number);
  const auto none = choose(7);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
  ASSERT_TRUE(disk_->remove(kParts + "batch/gen-000001/pack"));
  const auto damaged = choose(1);
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().kind, ErrorKind::corrupt);
  EXPECT_THAT(damaged.error().message, HasSubstr("checkpoint 1"));
  EXPECT_THAT(kept(), ElementsAre(1, 2, 3));
  ASSERT_TRUE(choose(2));
  ASSERT_TRUE(disk_->remove(kParts + "batch/aside-000003/pack"));
  EXPECT_FALSE(choose(3));
  EXPECT_THAT(kept(), ElementsAre(1, 2));
  EXPECT_THAT(aside(), ElementsAre(3));
}

TEST_F(RestartPoint, ForgetsTheRestoresThatFailed) {
  publish("batch", 1, 1);
  for (const std::uint32_t restarts : {1U, 2U}) ASSERT_TRUE(store_.note_failed_restore(kJob, "batch", restarts, "n1"));
  ASSERT_TRUE(choose(0));
  EXPECT_EQ(store_.note_failed_restore(kJob, "batch", 3, "n1").value(), 1);
  EXPECT_THAT(kept(), ElementsAre(1));
}

TEST_F(RestartPoint, AJobWithoutCheckpointsHasNone) {
  const auto none = choose(0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::not_found);
}

TEST_F(RestartPoint, WhatIsStoredIsTold) {
  publish("batch", 1, 100);
  publish("batch", 2, 200);
  ASSERT_TRUE(choose(1));
  const auto all = stored_checkpoints(store_, {kJob}, LookAt::everything).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].number, 1U);
  EXPECT_EQ(all[0].made_at, 100);
  EXPECT_EQ(all[0].node, "n1");
  EXPECT_GT(all[0].bytes, 0U);
  EXPECT_EQ(all[0].damage, "");
  EXPECT_TRUE(all[1].aside);
  EXPECT_EQ(stored_checkpoints(store_, {kJob}, LookAt::names, 2).value().size(), 1U);
  for (const auto& one : all) EXPECT_EQ(StoredCheckpoint::from_message(one.to_message()).value(), one);
  EXPECT_FALSE(StoredCheckpoint::from_message(Message("checkpoint")));
}

TEST_F(RestartPoint, DamageIsTold) {
  publish("batch", 1, 100);
  ASSERT_TRUE(disk_->remove(kParts + "batch/gen-000001/pack"));
  EXPECT_EQ(stored_checkpoints(store_, {kJob}, LookAt::manifests).value()[0].damage, "");
  EXPECT_NE(stored_checkpoints(store_, {kJob}, LookAt::everything).value()[0].damage, "");
}

}  // namespace
}  // namespace stasis
