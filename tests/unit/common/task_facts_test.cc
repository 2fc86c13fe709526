// SPDX-License-Identifier: Apache-2.0
#include "common/task_facts.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stasis {
namespace {

TaskFacts all_facts() {
  TaskFacts facts;
  facts.job = 812;
  facts.step = 4;
  facts.task = 3;
  facts.tasks = 16;
  facts.uid = 1001;
  facts.gid = 1002;
  facts.restarts = 2;
  facts.partition = "preempt";
  facts.node = "n1";
  facts.command = "/var/spool/slurmd/job00812/slurm_script";
  facts.shim = 4711;
  facts.request = {"0-0:45", "2h", "yes", "signal:TERM", "/scratch/mine", "3", "/data:/more data", "restart", "811:3"};
  return facts;
}

Message without(const std::string& left_out) {
  Message message("admit");
  for (const char* key :
       {"job", "step", "task", "tasks", "uid", "gid", "restarts", "shim", "partition", "node", "command"}) {
    if (key != left_out) message.add(key, "1");
  }
  return message;
}

Message with(const std::string& key, const std::string& value) { return without(key).add(key, value); }

TEST(TaskFacts, SurviveTheWayThroughAMessage) {
  const auto datagram = all_facts().to_message("capsule").encode();
  ASSERT_TRUE(datagram) << datagram.error().message;
  const auto message = Message::decode(*datagram);
  ASSERT_TRUE(message) << message.error().message;
  EXPECT_EQ(message->verb(), "capsule");
  const auto facts = TaskFacts::from_message(*message);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(*facts, all_facts());
}

TEST(TaskFacts, AStepOfAJobThatIsNoTaskOfAnArrayIsOfThatJob) {
  TaskFacts facts = all_facts();
  facts.array_job = 812;
  facts.array_task = 0xfffffffe;
  EXPECT_EQ(TaskFacts::from_message(facts.to_message("admit")).value().ref().name, "812");
  facts.array_task = 4;
  EXPECT_EQ(TaskFacts::from_message(facts.to_message("admit")).value().ref().name, "812_4");
}

// A fuzzer's: what was read was not what would be sent.
TEST(TaskFacts, NoArrayHasTheId0) {
  TaskFacts facts = all_facts();
  facts.array_job = facts.array_task = 0;
  Message message = facts.to_message("admit");
  message.add("array_job", 0).add("array_task", 1);
  EXPECT_EQ(TaskFacts::from_message(message).value(), facts);
}

TEST(TaskFacts, TellWhatWasNotSaidFromWhatWasSaidToBeEmpty) {
  TaskFacts facts = all_facts();
  facts.request = {};
  facts.request.with = "";
  const auto again = TaskFacts::from_message(facts.to_message("admit"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->request.every);
  EXPECT_EQ(again->request.with, "");
  EXPECT_EQ(*again, facts);
}

TEST(TaskFacts, CarryTheLargestNumbersSlurmHas) {
  TaskFacts facts = all_facts();
  facts.step = kBatchStep;
  facts.uid = 0xfffffffe;
  facts.job = 0xffffffff;
  EXPECT_EQ(TaskFacts::from_message(facts.to_message("admit")).value(), facts);
}

class TaskFactsField : public testing::TestWithParam<const char*> {};
TEST_P(TaskFactsField, MissingIsRefusedByName) {
  ASSERT_TRUE(TaskFacts::from_message(without("")));
  const auto facts = TaskFacts::from_message(without(GetParam()));
  ASSERT_FALSE(facts);
  EXPECT_NE(facts.error().message.find(GetParam()), std::string::npos) << facts.error().message;
}
INSTANTIATE_TEST_SUITE_P(Required, TaskFactsField,
                         testing::Values("job", "step", "task", "tasks", "uid", "gid", "restarts", "shim", "partition",
                                         "node", "command"));

TEST(TaskFacts, OutOfRangeAreRefused) {
  for (const char* key : {"job", "step", "task", "tasks", "uid", "gid", "restarts", "shim"}) {
    for (const char* value : {"-1", "4294967296", "99999999999999999999", "", "x", "1x", " 1", "0x1"}) {
      EXPECT_FALSE(TaskFacts::from_message(with(key, value))) << key << "='" << value << "'";
    }
  }
  EXPECT_TRUE(TaskFacts::from_message(with("uid", "4294967295")));
  EXPECT_FALSE(TaskFacts::from_message(with("shim", "2147483648")));
}

TEST(TaskFacts, AreNamedAsSlurmNamesSteps) {
  TaskFacts facts = all_facts();
  EXPECT_EQ(facts.name(), "812.4.3");
  facts.step = kBatchStep;
  facts.task = 0;
  EXPECT_EQ(facts.name(), "812.batch");
  EXPECT_EQ(step_name(kExternStep), "extern");
  EXPECT_EQ(step_name(kInteractiveStep), "interactive");
  EXPECT_EQ(step_name(0), "0");
}

}  // namespace
}  // namespace stasis
