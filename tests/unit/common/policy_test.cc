// SPDX-License-Identifier: Apache-2.0
#include "common/policy.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace stasis {
namespace {

using namespace std::chrono_literals;

// A partition that protects every job.
Policy protecting() {
  Policy policy;
  policy.checkpoint_every = {TimeSpec::Kind::every, 30min};
  policy.max_interval = 2h;
  return policy;
}

Result<Decision> decide(const Policy& policy, const ProtectionRequest& request,
                        OutOfBounds out_of_bounds = OutOfBounds::refuse) {
  return decide_protection(policy, request, out_of_bounds);
}

Protection protection(const Result<Decision>& decision) {
  if (!decision) throw std::runtime_error(decision.error().message);
  return std::get<Protection>(*decision);
}

NotProtected reason(const Result<Decision>& decision) {
  if (!decision) throw std::runtime_error(decision.error().message);
  return std::get<NotProtected>(*decision);
}

bool mentions(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

ProtectionRequest by_option(const std::string& text) {
  ProtectionRequest request;
  request.option = text;
  return request;
}

ProtectionRequest by_environment(const std::string& text) {
  ProtectionRequest request;
  request.environment = text;
  return request;
}

TEST(Policy, LeavesAJobAloneThatAskedForNothing) {
  EXPECT_EQ(reason(decide(Policy(), {})), NotProtected::not_requested);
}

TEST(Policy, ProtectsAJobThatAsksByOptionOrEnvironment) {
  EXPECT_EQ(protection(decide(Policy(), by_option("45"))).interval, 45min);
  EXPECT_EQ(protection(decide(Policy(), by_environment("0-0:45"))).interval, 45min);
}

TEST(Policy, OptionWinsOverEnvironment) {
  ProtectionRequest request = by_option("10m");
  request.environment = "nonsense";
  EXPECT_EQ(protection(decide(Policy(), request)).interval, 10min);
  request.option = "off";
  EXPECT_EQ(reason(decide(protecting(), request)), NotProtected::opted_out);
}

TEST(Policy, ProtectsEveryJobOfAPartitionThatSaysSo) {
  const Protection all = protection(decide(protecting(), {}));
  EXPECT_EQ(all, (Protection{30min, false, 2, RestoreFailure::hold, {}, {}, {}}));
}

TEST(Policy, UserChoosesAnotherIntervalWithinTheLimits) {
  EXPECT_EQ(protection(decide(protecting(), by_option("1h"))).interval, 1h);
  EXPECT_EQ(protection(decide(protecting(), by_option("30s"))).interval, 30s);
  EXPECT_EQ(protection(decide(protecting(), by_option("2h"))).interval, 2h);
}

TEST(Policy, UserOptsOutWhereAllowed) {
  EXPECT_EQ(reason(decide(protecting(), by_option("off"))), NotProtected::opted_out);
  EXPECT_EQ(reason(decide(Policy(), by_environment("off"))), NotProtected::opted_out);
}

TEST(Policy, OptingOutWhereForbiddenProtectsAllTheSameAndSaysSo) {
  Policy policy = protecting();
  policy.users_may_opt_out = false;
  const Protection forced = protection(decide(policy, by_option("off")));
  EXPECT_EQ(forced.interval, 30min);
  ASSERT_EQ(forced.notes.size(), 1U);
  EXPECT_EQ(forced.notes[0],
            "--checkpoint-every: jobs of this partition cannot opt out: checkpoints are made every 30m");
}

TEST(Policy, OutOfTheLimitsIsRefusedAtSubmission) {
  const auto low = decide(protecting(), by_option("29s"));
  ASSERT_FALSE(low);
  EXPECT_EQ(low.error(),
            (Error{ErrorKind::denied, "--checkpoint-every: 29s is less than the 30s this partition allows at least"}));
  const auto high = decide(protecting(), by_environment("1-0"));
  ASSERT_FALSE(high);
  EXPECT_EQ(high.error().message, "SLURM_CHECKPOINT: 1d is more than the 2h this partition allows at most");
}

TEST(Policy, OutOfTheLimitsIsClampedWithANoteWhenTheJobStarts) {
  const Protection low = protection(decide(protecting(), by_option("1s"), OutOfBounds::clamp));
  EXPECT_EQ(low.interval, 30s);
  ASSERT_EQ(low.notes.size(), 1U);
  EXPECT_TRUE(mentions(low.notes[0], "checkpoints are made every 30s"));
  EXPECT_EQ(protection(decide(protecting(), by_option("1d"), OutOfBounds::clamp)).interval, 2h);
}

TEST(Policy, BadTimesAreRefusedWithWhereTheyCameFrom) {
  const auto option = decide(Policy(), by_option("soon"), OutOfBounds::clamp);
  ASSERT_FALSE(option);
  EXPECT_EQ(option.error().message.find("--checkpoint-every: 'soon' is not a time"), 0U);
  const auto environment = decide(Policy(), by_environment(""));
  ASSERT_FALSE(environment);
  EXPECT_EQ(environment.error().message.find("SLURM_CHECKPOINT: ''"), 0U);
}

TEST(Policy, AutoIsTheBestIntervalOfAnAssumedCostWithinTheLimits) {
  const Protection free = protection(decide(Policy(), by_option("auto")));
  ASSERT_TRUE(free.automatic);
  EXPECT_EQ(*free.automatic, auto_interval(kAssumedCost, false, Policy()));
  EXPECT_EQ(free.interval, free.automatic->interval);
  Policy often;
  often.max_interval = 10min;
  EXPECT_EQ(protection(decide(often, by_option("auto"))).interval, 10min);
  Policy automatic;
  automatic.checkpoint_every.kind = TimeSpec::Kind::automatic;
  EXPECT_EQ(protection(decide(automatic, {})).interval, free.interval);
  EXPECT_FALSE(protection(decide(automatic, by_option("1h"))).automatic);
  automatic.users_may_opt_out = false;
  EXPECT_EQ(protection(decide(automatic, by_option("off"))).notes,
            std::vector<std::string>{
                "--checkpoint-every: jobs of this partition cannot opt out: checkpoints are made every now and then"});
}

TEST(Policy, AProgramThatWritesItsOwnCheckpointsCostsWhatItAskedFor) {
  ProtectionRequest request = by_option("auto");
  request.method = "signal:USR2:600";
  const Protection granted = protection(decide(Policy(), request));
  EXPECT_EQ(granted.method, (CheckpointMethod{CheckpointMethod::Kind::signal, SIGUSR2, 600s}));
  EXPECT_EQ(granted.automatic->cost, 600s);
  EXPECT_TRUE(granted.notes.empty());
}

TEST(Policy, TheMethodIsTheUsersOrThePartitions) {
  Policy policy = protecting();
  policy.checkpoint_method = {CheckpointMethod::Kind::automatic, SIGUSR1, 30s};
  EXPECT_EQ(protection(decide(policy, {})).method, policy.checkpoint_method);
  ProtectionRequest request;
  request.method = "criu";
  EXPECT_EQ(protection(decide(policy, request)).method, CheckpointMethod());
  request.method = "dmtcp";
  EXPECT_TRUE(decide(policy, request).error().message.starts_with("--checkpoint-method: 'dmtcp' is no way"));
  request.method = "criu";
  EXPECT_TRUE(mentions(decide(Policy(), request).error().message, "add --checkpoint-every"));
  request.option = "off";
  EXPECT_EQ(reason(decide(Policy(), request)), NotProtected::opted_out);
}

TEST(Policy, ASignalThatEndsProgramsIsKeptForTheEndAndTheUserIsTold) {
  ProtectionRequest request = by_option("1h");
  request.method = "signal:TERM";
  EXPECT_EQ(protection(decide(Policy(), request)).notes,
            std::vector<std::string>{"--checkpoint-method: SIGTERM asks a program to end, so it is sent only when the "
                                     "job has to leave; with --requeue-on-ckpt every 1h, too"});
  request.requeue_on_ckpt = true;
  EXPECT_TRUE(protection(decide(Policy(), request)).notes.empty());
}

TEST(Policy, UserMayAskForRequeueAndKeepAndRestart) {
  ProtectionRequest request = by_option("45m");
  request.requeue_on_ckpt = true;
  request.keep = "5";
  request.restore_failure = "restart";
  EXPECT_EQ(protection(decide(Policy(), request)), (Protection{45min, true, 5, RestoreFailure::restart, {}, {}, {}}));
}

TEST(Policy, UserMaySwitchOffThePartitionsRequeue) {
  Policy policy = protecting();
  policy.requeue_on_ckpt = true;
  EXPECT_TRUE(protection(decide(policy, {})).requeue_on_ckpt);
  ProtectionRequest request;
  request.requeue_on_ckpt = false;
  EXPECT_FALSE(protection(decide(policy, request)).requeue_on_ckpt);
}

TEST(Policy, RequeueOnCheckpointWithoutCheckpointsIsAMistake) {
  ProtectionRequest request;
  request.requeue_on_ckpt = true;
  ASSERT_FALSE(decide(Policy(), request));
  EXPECT_TRUE(mentions(decide(Policy(), request).error().message, "add --checkpoint-every"));
  request.option = "off";
  EXPECT_FALSE(decide(protecting(), request));
  request.option.reset();
  EXPECT_TRUE(protection(decide(protecting(), request)).requeue_on_ckpt);
}

TEST(Policy, BadNumbersToKeepAreRefused) {
  for (const char* keep : {"", "0", "101", "-1", "2x", " 2", "99999999999"}) {
    ProtectionRequest request = by_option("45m");
    request.keep = keep;
    const auto decision = decide(Policy(), request);
    ASSERT_FALSE(decision) << keep;
    EXPECT_TRUE(mentions(decision.error().message, "from 1 to 100"));
  }
}

TEST(Policy, BadWordsAreRefusedWithTheGoodOnes) {
  ProtectionRequest request = by_option("off");
  request.restore_failure = "retry";
  const auto decision = decide(Policy(), request);
  ASSERT_FALSE(decision);
  EXPECT_EQ(decision.error().message, "--restore-failure: 'retry' is neither hold nor restart");
}

TEST(Policy, ProtectsAJobThatGoesOnFromAnothersCheckpointByThatAlone) {
  ProtectionRequest request;
  request.from = "812:3";
  const Protection automatic = protection(decide(Policy(), request));
  EXPECT_TRUE(automatic.automatic && automatic.interval > 0s);
  EXPECT_EQ(protection(decide(protecting(), request)).interval, 30min);
  request.option = "10m";
  EXPECT_EQ(protection(decide(Policy(), request)).interval, 10min);
}

TEST(Policy, RefusesAJobThatGoesOnFromAnothersCheckpointAndWouldHaveNoneItself) {
  ProtectionRequest request;
  request.from = "812";
  for (const Policy& policy : {Policy(), protecting()}) {
    request.option = "off";
    EXPECT_TRUE(
        mentions(decide(policy, request).error().message, "--checkpoint-from: only a job that is checkpointed"));
    request.option = "1h";
    request.method = "signal:TERM";
    EXPECT_TRUE(mentions(decide(policy, request).error().message, "leave --checkpoint-method out"));
    request.method = "criu";
    EXPECT_EQ(protection(decide(policy, request)).method, CheckpointMethod());
    request.method.reset();
  }
  request.from = "812_7";
  EXPECT_TRUE(mentions(decide(Policy(), request).error().message, "--checkpoint-from: '812_7'"));
}

TEST(Policy, HasAJobThatGoesOnFromAnothersCheckpointCheckpointedByCriuWhateverThePartitionDoes) {
  Policy policy = protecting();
  policy.checkpoint_method = parse_checkpoint_method("signal").value();
  ProtectionRequest request;
  request.from = "812";
  EXPECT_EQ(protection(decide(policy, request)).method, CheckpointMethod());
}

}  // namespace
}  // namespace stasis
