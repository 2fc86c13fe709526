// SPDX-License-Identifier: Apache-2.0
#include "cli/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stasis {
namespace {

using State = Finding::State;
using ::testing::HasSubstr;

TEST(Doctor, TheKernelSaysWhichCriuItNeeds) {
  EXPECT_EQ(judge_criu("Version: 4.1.1\n", "6.12.0-amd64").state, State::ok);
  EXPECT_EQ(judge_criu("Version: 4.1.1\n", "6.18.2").state, State::bad);
  EXPECT_EQ(judge_criu("Version: 4.2\n", "6.16.0").state, State::ok);
  EXPECT_EQ(judge_criu("Version: 10.0\n", "7.0.0").state, State::ok);
  EXPECT_EQ(judge_criu("Version: 3.16\n", "5.10.0").state, State::bad);
  EXPECT_EQ(judge_criu("", "6.12.0").state, State::bad);
}

std::vector<Sample> took(double seconds) { return {{"stasis_checkpoint_longest_seconds", {}, seconds}}; }

TEST(Doctor, KillWaitIsComparedWithWhatCheckpointsTake) {
  EXPECT_EQ(judge_kill_wait({{"KillWait", "30 sec"}}, took(12)).state, State::ok);
  EXPECT_EQ(judge_kill_wait({{"KillWait", "30 sec"}}, {}).state, State::ok);
  const auto slow = judge_kill_wait({{"KillWait", "30 sec"}}, took(40));
  EXPECT_EQ(slow.state, State::warn);
  EXPECT_THAT(slow.fix, HasSubstr("KillWait=41"));
  const std::vector<Sample> runs{{"stasis_last_checkpoint_seconds", {{"partition", "long"}}, 31}};
  EXPECT_EQ(judge_kill_wait({{"KillWait", "30 sec"}}, runs).state, State::warn) << "of a task that runs";
}

TEST(Doctor, GraceTimesAreComparedWithTheTasksOfTheirPartitions) {
  const SlurmConf slurm{{"PreemptType", "preempt/partition_prio"}, {"KillWait", "30 sec"}};
  const auto partition = [](const char* name, const char* mode, const char* grace) {
    return SlurmConf{{"PartitionName", name}, {"PreemptMode", mode}, {"GraceTime", grace}};
  };
  const std::vector<SlurmConf> partitions{partition("low", "REQUEUE", "0"), partition("mid", "CANCEL", "60"),
                                          partition("top", "OFF", "0"), partition("held", "SUSPEND", "0")};
  const auto runs = [](const char* where, double seconds) {
    return std::vector<Sample>{{"stasis_last_checkpoint_seconds", {{"partition", where}}, seconds}};
  };
  const auto fine = judge_grace_times(slurm, partitions, runs("mid", 80));
  EXPECT_EQ(fine.state, State::ok);
  EXPECT_THAT(fine.text, HasSubstr(": low 30 s, mid 90 s"));
  const auto low = judge_grace_times(slurm, partitions, runs("low", 80));
  EXPECT_EQ(low.state, State::warn);
  EXPECT_THAT(low.text, HasSubstr(": low 30 s, and one may take 80.0 s"));
  EXPECT_EQ(low.fix, "GraceTime=51 for low in slurm.conf");
  EXPECT_EQ(judge_grace_times(slurm, partitions, runs("top", 800)).state, State::ok);
  EXPECT_EQ(judge_grace_times(slurm, partitions, took(31)).state, State::warn) << "where nothing runs now";
  EXPECT_EQ(judge_grace_times({{"PreemptType", "preempt/none"}}, partitions, took(800)).state, State::ok);
}

TEST(Doctor, APluginThatIsRequiredDrainsNodes) {
  EXPECT_EQ(judge_plugstack({{"a", "optional spank_stasis.so\n"}}, true).state, State::ok);
  EXPECT_EQ(judge_plugstack({{"a", "# optional spank_stasis.so\n"}}, true).state, State::bad);
  EXPECT_EQ(judge_plugstack({{"a", " required\t/usr/lib/spank_stasis.so x=1\n"}}, true).state, State::warn);
  EXPECT_EQ(judge_plugstack({{"a", "optional spank_stasis.so\n"}}, false).state, State::bad);
  EXPECT_EQ(judge_plugstack({}, true).state, State::bad);
}

TEST(Doctor, ClocksMayDifferByAFewSeconds) {
  EXPECT_EQ(judge_clock(1000, 1004).state, State::ok);
  EXPECT_EQ(judge_clock(1000, 990).state, State::bad);
  EXPECT_EQ(judge_clock(1000, 1010).state, State::bad);
}

TEST(Metrics, AreReadAsTheyAreWritten) {
  const auto samples = parse_metrics(
      "# HELP a b.\n# TYPE a counter\na{outcome=\"made\",reason=\"time_limit\"} 3\nb 1.5e+10\n\nc\nd{e=\"f} 1\n");
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[0].name, "a");
  EXPECT_EQ(samples[0].labels.at("reason"), "time_limit");
  EXPECT_EQ(samples[0].labels.at("outcome"), "made");
  EXPECT_EQ(value_of(samples, "b"), 1.5e10);
  EXPECT_EQ(value_of(samples, "z"), 0);
}

}  // namespace
}  // namespace stasis
