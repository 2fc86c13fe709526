// SPDX-License-Identifier: Apache-2.0
#include "daemon/after_run.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/unique_fd.h"
#include "tests/unit/daemon/fake_slurm.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;
using Calls = std::vector<std::string>;

const Error kAway{ErrorKind::busy, "scontrol: Unable to contact slurm controller (connect failure)"};
const Error kSilent{ErrorKind::timed_out, "scontrol: did not end in time and was killed"};

class AfterRun : public testing::Test {
 protected:
  AfterRun() {
    run.facts.job = 812;
    run.facts.step = kBatchStep;
    run.facts.uid = ::getuid();
    run.facts.node = "n1";
    run.facts.partition = "main";
    run.key = {"test", ::getuid(), 812, 1795239061};
    run.part = "batch";
    publish("batch");
  }

  void publish(const std::string& part) {
    const TempDirectory images;
    images.write("pages", "something");
    const UniqueFd fd(::open(images.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Manifest manifest;
    manifest.job = run.key;
    manifest.part = part;
    manifest.number = 1;
    const auto published = store.publish(fd.get(), manifest);
    ASSERT_TRUE(published) << published.error().message;
  }
  bool kept(const std::string& part = "batch") const { return store.generations(run.key, part).value().size() == 1; }

  // In the state that scontrol shows for it.
  static JobInfo job(const std::string& state, std::uint32_t restarts = 0) {
    JobInfo info;
    info.id = 812;
    info.state = state;
    info.restarts = restarts;
    return info;
  }
  JobInfo requeued(const std::string& excluded = "") const {
    JobInfo info = job("PENDING", run.facts.restarts + 1);
    info.excluded_nodes = excluded;
    return info;
  }
  std::string finish() {
    const Message message = finish_run(run, config, store, slurm, clock);
    EXPECT_EQ(message.verb(), "after");
    return std::string(message.get("outcome").value_or("nothing"));
  }

  TempDirectory directory;
  CheckpointStore store{directory / "store", Keys::parse("k " + std::string(64, 'a') + "\n").value()};
  Config config;
  stasis::Run run;
  FakeSlurm slurm;
  FakeClock clock;
};

class AfterRunOfAJobThatIs : public AfterRun, public testing::WithParamInterface<const char*> {};
class AfterRunOfAJobThatIsOver : public AfterRunOfAJobThatIs {};
TEST_P(AfterRunOfAJobThatIsOver, RemovesItsCheckpoints) {
  slurm.jobs = {job(GetParam())};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_FALSE(kept());
  EXPECT_EQ(slurm.calls, Calls());
}
INSTANTIATE_TEST_SUITE_P(States, AfterRunOfAJobThatIsOver,
                         testing::Values("COMPLETED", "FAILED", "CANCELLED", "OUT_OF_MEMORY", "DEADLINE"));

class AfterRunOfAJobThatMayGoOn : public AfterRunOfAJobThatIs {};
TEST_P(AfterRunOfAJobThatMayGoOn, KeepsItsCheckpoints) {
  slurm.jobs = {job(GetParam())};
  EXPECT_EQ(finish(), std::string("kept: the job is ") + GetParam());
  EXPECT_TRUE(kept());
  EXPECT_EQ(slurm.calls, Calls());
}
INSTANTIATE_TEST_SUITE_P(States, AfterRunOfAJobThatMayGoOn,
                         testing::Values("TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "SOMETHING_NEW"));

TEST_F(AfterRun, OfAJobThatSlurmHasForgottenRemovesItsCheckpoints) {
  slurm.jobs = {fail(ErrorKind::not_found, "Invalid job id specified")};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_FALSE(kept());
}

TEST_F(AfterRun, WaitsUntilTheEndIsReported) {
  slurm.jobs = {job("RUNNING"), job("COMPLETING"), job("COMPLETING"), job("COMPLETED")};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_EQ(slurm.asked, 4);
  EXPECT_EQ(clock.pauses, (std::vector<std::chrono::milliseconds>{200ms, 300ms, 450ms}));
}

TEST_F(AfterRun, AsksEverMoreSeldomAndGivesUpAfterADay) {
  slurm.jobs = {fail(kAway)};
  EXPECT_EQ(finish(), "slurmctld did not say what became of the job");
  EXPECT_TRUE(kept());
  EXPECT_EQ(*std::max_element(clock.pauses.begin(), clock.pauses.end()), 60s);
  EXPECT_GE(clock.passed(), 24h);
  EXPECT_LT(slurm.asked, 24 * 60 + 20);
}

TEST_F(AfterRun, WaitsForASlurmctldThatIsAway) {
  slurm.jobs = {fail(kAway), fail(kSilent), fail(kAway), job("COMPLETED")};
  EXPECT_EQ(finish(), "checkpoints removed");
}

// ---- requeued

TEST_F(AfterRun, OfARequeuedJobMakesItEligibleAtOnceAndPrefersAnotherNode) {
  slurm.jobs = {requeued(), job("RUNNING", 1)};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n1 StartTime=now"}));
  EXPECT_TRUE(kept());
  EXPECT_EQ(clock.passed(), 6s) << "it runs again when it is looked at first, and nobody waits any longer";
}

TEST_F(AfterRun, LeavesTheWishOfALaterRunOnTheSameNodeAlone) {
  JobInfo later = requeued("n1");
  later.restarts = 3;
  slurm.jobs = {requeued(), later, later, later};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n1 StartTime=now"})) << "it has run elsewhere in between";
}

TEST_F(AfterRun, OfAJobWithoutACheckpointLeavesTheNodesToSlurm) {
  ASSERT_TRUE(store.remove(run.key));
  slurm.jobs = {requeued(), job("RUNNING", 1)};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 StartTime=now"})) << "the next run would take our wish for the user's";
}

TEST_F(AfterRun, LetsARequeuedJobComeBackWhenNoOtherNodeIsFree) {
  slurm.jobs = {requeued(), requeued("n1")};
  EXPECT_EQ(finish(), "requeued; no other node was free, so this one will do");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n1 StartTime=now", "update 812 ExcNodeList="}));
}

// The first requeue once replaced the user's own list by ours: it was never asked for in a job's first run.
TEST_F(AfterRun, KeepsTheNodesThatTheUserExcluded) {
  slurm.jobs = {requeued("n[7-9]"), requeued("n[7-9],n1")};
  finish();
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n[7-9],n1 StartTime=now", "update 812 ExcNodeList=n[7-9]"}));
}

TEST_F(AfterRun, ForgetsItsOwnWishesOfEarlierRuns) {
  run.facts.restarts = 3;
  run.excluded = "n9";
  slurm.jobs = {requeued("n9,n4"), requeued("n9,n1")};
  finish();
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n9,n1 StartTime=now", "update 812 ExcNodeList=n9"}));
}

TEST_F(AfterRun, LeavesAListThatSomebodyHasChangedMeanwhile) {
  slurm.jobs = {requeued(), requeued("n1,n2")};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls.size(), 1U);
}

TEST_F(AfterRun, ExcludesNoNodeWhenTheUserWantsCertainOnes) {
  JobInfo info = requeued();
  info.required_nodes = "n1";
  slurm.jobs = {info};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 StartTime=now"}));
  EXPECT_EQ(clock.passed(), 2s) << "on the same node, and slurmd tells runs apart by the second";
}

TEST_F(AfterRun, KeepsOffNodesWhoseProcessorIsLess) {
  ASSERT_TRUE(store.note_unfit_node(run.key, "n1"));
  run.facts.restarts = 1;
  run.excluded = "n9";
  slurm.jobs = {requeued("n9,n3")};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n9,n1 StartTime=now"}));
  EXPECT_EQ(clock.passed(), 0s) << "for good";
}

TEST_F(AfterRun, KeepsOffThemOnItsWayToOtherNodes) {
  ASSERT_TRUE(store.note_unfit_node(run.key, "n2"));
  run.facts.restarts = 2;
  slurm.jobs = {requeued("n2"), requeued("n2,n1")};
  finish();
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n2,n1 StartTime=now", "update 812 ExcNodeList=n2"}));
  config.defaults.prefer_other_node = PreferOtherNode::off;
  slurm.calls.clear();
  slurm.jobs = {requeued("n2")};
  finish();
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n2 StartTime=now"}));
  config.defaults.check_cpu = false;
  slurm.calls.clear();
  slurm.jobs = {requeued("n2")};
  finish();
  EXPECT_EQ(slurm.calls, (Calls{"update 812 StartTime=now"})) << "nobody asks any more";
}

TEST_F(AfterRun, InsistsOnAnotherNodeWhenThePolicyIsHard) {
  config.defaults.prefer_other_node = PreferOtherNode::hard;
  slurm.jobs = {requeued()};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n1 StartTime=now"}));
  EXPECT_EQ(clock.passed(), 0s);
}

TEST_F(AfterRun, LeavesTheChoiceOfNodesToSlurmWhenThePolicyIsOff) {
  config.defaults.prefer_other_node = PreferOtherNode::off;
  slurm.jobs = {requeued()};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 StartTime=now"}));
  config.defaults.requeue_begin_now = false;
  slurm.calls.clear();
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, Calls());
}

TEST_F(AfterRun, FollowsThePolicyOfTheJobsPartition) {
  config.partitions["main"] = config.defaults;
  config.partitions["main"].prefer_other_node = PreferOtherNode::off;
  config.partitions["main"].requeue_begin_now = false;
  slurm.jobs = {requeued()};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, Calls());
}

TEST_F(AfterRun, ReleasesAJobThatSlurmHoldsForTooManyRequeues) {
  JobInfo held = requeued();
  held.reason = "launch_failure_limit_exceeded_requeued_held";
  slurm.jobs = {held, job("RUNNING", 1)};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"release 812", "update 812 ExcNodeList=n1 StartTime=now"}));
}

TEST_F(AfterRun, LeavesAJobHeldThatItsUserHolds) {
  JobInfo held = requeued();
  held.reason = "JobHeldUser";
  slurm.jobs = {held, job("RUNNING", 1)};
  finish();
  EXPECT_EQ(slurm.calls.front().rfind("update", 0), 0U);
}

TEST_F(AfterRun, SaysWhyARequeuedJobCouldNotBeChanged) {
  slurm.jobs = {requeued()};
  slurm.failures["update"] = {{ErrorKind::failed, "scontrol update: Access/permission denied"}};
  EXPECT_EQ(finish(), "requeued; scontrol update: Access/permission denied");
}

TEST_F(AfterRun, TriesAgainWhenSlurmctldGoesAwayInBetween) {
  slurm.jobs = {requeued("n9"), requeued("n9,n1"), fail(kAway), requeued("n9,n1")};
  slurm.failures["update"] = {kSilent};
  EXPECT_EQ(finish(), "requeued; no other node was free, so this one will do");
  // It may have done what it was asked for before it fell silent: the list is the one that was seen first.
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n9,n1 StartTime=now",
                                "update 812 ExcNodeList=n9,n1 StartTime=now", "update 812 ExcNodeList=n9"}));
}

TEST_F(AfterRun, OfAJobThatRunsAgainAlreadyLeavesItAlone) {
  for (const char* state : {"RUNNING", "CONFIGURING", "TIMEOUT"}) {
    slurm.jobs = {job(state, 1)};
    EXPECT_EQ(finish(), "runs again");
  }
  EXPECT_TRUE(kept());
  EXPECT_EQ(slurm.calls, Calls());
}

// It once was "runs again", and its checkpoints stayed for ever.
// A new job may go on from there, whether this daemon had looked before the user cancelled or not.
TEST_F(AfterRun, OfAJobThatWasCancelledAfterItsRequeueLeavesItsCheckpointsToTheJanitor) {
  slurm.jobs = {job("CANCELLED", 1)};
  EXPECT_EQ(finish(), "kept for a while: the job was cancelled after its requeue");
  EXPECT_TRUE(kept());
}

TEST_F(AfterRun, OfAJobThatHasEndedAfterItsRequeueRemovesItsCheckpoints) {
  slurm.jobs = {job("COMPLETED", 1)};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_FALSE(kept());
}

// ---- ended by us

TEST_F(AfterRun, RequeuesAJobThatWasEndedToGoOnElsewhere) {
  run.left = true;
  for (const char* state : {"COMPLETED", "FAILED", "TIMEOUT", "PREEMPTED"}) {
    slurm.calls.clear();
    slurm.jobs = {job("COMPLETING"), job(state), requeued(), job("RUNNING", 1)};
    EXPECT_EQ(finish(), "requeued");
    EXPECT_EQ(slurm.calls, (Calls{"requeue 812", "update 812 ExcNodeList=n1 StartTime=now"})) << state;
  }
  EXPECT_TRUE(kept());
}

TEST_F(AfterRun, DoesNotRequeueAJobThatSlurmHasRequeuedItself) {
  run.left = true;
  slurm.jobs = {requeued(), job("RUNNING", 1)};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls, (Calls{"update 812 ExcNodeList=n1 StartTime=now"}));
}

TEST_F(AfterRun, DoesNotRequeueAJobThatWasCancelledMeanwhile) {
  run.left = true;
  slurm.jobs = {job("CANCELLED")};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_EQ(slurm.calls, Calls());
}

TEST_F(AfterRun, KeepsTheCheckpointsOfAJobThatSlurmDoesNotRequeue) {
  run.left = true;
  slurm.jobs = {job("COMPLETED")};
  slurm.failures["requeue"] = {{ErrorKind::failed, "scontrol requeue 812: Requested operation is presently disabled"}};
  EXPECT_EQ(finish(), "kept, but not requeued: scontrol requeue 812: Requested operation is presently disabled");
  EXPECT_TRUE(kept());
}

// A slurmctld that was away for that one request once left the job ended for good.
TEST_F(AfterRun, RequeuesOnceSlurmctldIsBack) {
  run.left = true;
  slurm.jobs = {job("COMPLETED"), job("COMPLETED"), job("COMPLETED"), requeued(), job("RUNNING", 1)};
  slurm.failures["requeue"] = {kAway, kSilent};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_EQ(slurm.calls,
            (Calls{"requeue 812", "requeue 812", "requeue 812", "update 812 ExcNodeList=n1 StartTime=now"}));
}

// ---- steps

TEST_F(AfterRun, RequeuesAJobThatWasEndedBeforeItWasResumed) {
  run.facts.restarts = 1;
  slurm.jobs = {job("FAILED", 1), requeued(), job("RUNNING", 2)};
  EXPECT_EQ(finish(), "requeued");
  ASSERT_FALSE(slurm.calls.empty());
  EXPECT_EQ(slurm.calls.front(), "requeue 812");
  EXPECT_TRUE(kept());
}

TEST_F(AfterRun, DoesNotRequeueItForEver) {
  for (std::uint32_t restarts = 1; restarts < 3; ++restarts) {
    ASSERT_TRUE(store.note_failed_restore(run.key, "batch", restarts, "n2"));
  }
  run.facts.restarts = 3;
  slurm.jobs = {job("FAILED", 3)};
  EXPECT_EQ(finish(), "kept: the job has failed before it was resumed, again and again");
  EXPECT_EQ(slurm.calls, Calls());
  EXPECT_TRUE(kept());
}

TEST_F(AfterRun, AJobThatWasResumedAndFailedIsOver) {
  run.facts.restarts = 2;
  run.root = 1000;
  slurm.jobs = {job("FAILED", 2)};
  EXPECT_EQ(finish(), "checkpoints removed");
}

TEST_F(AfterRun, OfAStepRemovesItsPartOnly) {
  run.facts.step = 0;
  run.part = "0.3";
  publish("0.3");
  slurm.jobs = {job("RUNNING")};
  EXPECT_EQ(finish(), "checkpoints removed");
  EXPECT_FALSE(kept("0.3"));
  EXPECT_TRUE(kept("batch"));
  EXPECT_EQ(clock.passed(), 0s);
}

TEST_F(AfterRun, OfAStepOfARequeuedJobKeepsItsPart) {
  run.facts.step = 0;
  run.part = "0.3";
  publish("0.3");
  slurm.jobs = {job("COMPLETING"), requeued(), job("RUNNING", 1)};
  EXPECT_EQ(finish(), "requeued");
  EXPECT_TRUE(kept("0.3"));
}

}  // namespace
}  // namespace stasis
