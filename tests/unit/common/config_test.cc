// SPDX-License-Identifier: Apache-2.0
#include "common/config.h"

#include <gtest/gtest.h>

#include <chrono>
#include <regex>
#include <string>

#include "common/read_file.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using namespace std::chrono_literals;

Config parsed(const std::string& text) {
  auto config = parse_config(text, "stasis.yaml");
  if (!config) throw std::runtime_error(config.error().message);
  return *config;
}

std::string refusal(const std::string& text) {
  const auto config = parse_config(text, "stasis.yaml");
  return config ? "accepted" : config.error().message;
}

TEST(Config, EmptyMeansDefaults) {
  EXPECT_EQ(parsed(""), Config());
  EXPECT_EQ(parsed("# nothing\n"), Config());
  EXPECT_EQ(parsed("defaults:\npartitions:\n"), Config());
  EXPECT_EQ(parsed("---\n"), Config());
}

TEST(Config, ReadsEveryKey) {
  const Config config = parsed(R"(
store: /lustre/stasis/
cluster: Alpha-2.test
key_file: /root/key
local: /local
socket: /tmp/s
criu: /opt/criu
scontrol: /opt/scontrol
defaults:
  checkpoint_every: 0:45:00
  requeue_on_ckpt: yes
  keep: 3
  min_interval: 10s
  max_interval: 1d
  first_checkpoint: 20s
  prefer_other_node: hard
  requeue_begin_now: false
  allow_io_uring: true
  outside_connections: refuse
  check_cpu: false
  restore_failure: restart
  users_may_opt_out: no
  final_dump_margin: 5s
  dump_timeout: 2h
)");
  EXPECT_EQ(config.store, "/lustre/stasis");
  EXPECT_EQ(config.cluster, "Alpha-2.test");
  EXPECT_EQ(config.key_file, "/root/key");
  EXPECT_EQ(config.local, "/local");
  EXPECT_EQ(config.socket, "/tmp/s");
  EXPECT_EQ(config.criu, "/opt/criu");
  EXPECT_EQ(config.scontrol, "/opt/scontrol");
  const Policy& policy = config.defaults;
  EXPECT_EQ(policy.checkpoint_every.every, 45min);
  EXPECT_TRUE(policy.requeue_on_ckpt);
  EXPECT_EQ(policy.keep, 3);
  EXPECT_EQ(policy.min_interval, 10s);
  EXPECT_EQ(policy.max_interval, 24h);
  EXPECT_EQ(policy.first_checkpoint, 20s);
  EXPECT_EQ(policy.prefer_other_node, PreferOtherNode::hard);
  EXPECT_FALSE(policy.requeue_begin_now);
  EXPECT_TRUE(policy.allow_io_uring);
  EXPECT_EQ(policy.outside_connections, OutsideConnections::refuse);
  EXPECT_FALSE(policy.check_cpu);
  EXPECT_EQ(policy.restore_failure, RestoreFailure::restart);
  EXPECT_FALSE(policy.users_may_opt_out);
  EXPECT_EQ(policy.final_dump_margin, 5s);
  EXPECT_EQ(policy.dump_timeout, 2h);
}

TEST(Config, TheIntervalMayBeLeftToUsAndTheMethodToThePartition) {
  const Config config = parsed(R"(
defaults: {checkpoint_every: auto, mean_time_between_failures: 90d}
partitions:
  spot:
    checkpoint_method: signal:TERM:120
    mean_time_between_failures: 1d
)");
  EXPECT_EQ(config.defaults.checkpoint_every.kind, TimeSpec::Kind::automatic);
  EXPECT_EQ(config.defaults.checkpoint_method, CheckpointMethod());
  EXPECT_EQ(config.defaults.mean_time_between_failures, 90 * 24h);
  const Policy& spot = config.policy_for("spot");
  EXPECT_EQ(spot.checkpoint_method, (CheckpointMethod{CheckpointMethod::Kind::signal, SIGTERM, 120s}));
  EXPECT_EQ(spot.mean_time_between_failures, 24h);
  EXPECT_TRUE(refusal("defaults: {checkpoint_method: dmtcp}\n")
                  .starts_with("stasis.yaml:1: checkpoint_method: 'dmtcp' is no way to make checkpoints: write criu"));
}

TEST(Config, PartitionsDifferFromTheDefaultsWhereTheySaySo) {
  // The defaults may come last.
  const Config config = parsed(R"(
partitions:
  preempt: {checkpoint_every: 30, prefer_other_node: off}
  long:
defaults: {keep: 4, checkpoint_every: 2h}
)");
  EXPECT_EQ(config.policy_for("preempt").checkpoint_every.every, 30min);
  EXPECT_EQ(config.policy_for("preempt").prefer_other_node, PreferOtherNode::off);
  EXPECT_EQ(config.policy_for("preempt").keep, 4);
  EXPECT_EQ(config.policy_for("long").checkpoint_every.every, 2h);
  EXPECT_EQ(config.policy_for("nowhere"), config.defaults);
}

TEST(Config, PartitionSwitchesOffWhatTheDefaultsSwitchOn) {
  const Config config = parsed(
      "defaults: {checkpoint_every: 1h, max_interval: 2h}\n"
      "partitions: {debug: {checkpoint_every: off, max_interval: off}}\n");
  EXPECT_EQ(config.policy_for("debug").checkpoint_every, TimeSpec());
  EXPECT_FALSE(config.policy_for("debug").max_interval);
}

TEST(Config, UnknownKeysAreRefusedWithTheLineAndTheNearestKey) {
  EXPECT_EQ(refusal("cluster: a\n\nstroe: /x\n"), "stasis.yaml:3: unknown key 'stroe': did you mean 'store'?");
  EXPECT_EQ(refusal("defaults:\n  keep: 2\n  checkpoint_evry: 1h\n"),
            "stasis.yaml:3: unknown key 'checkpoint_evry': did you mean 'checkpoint_every'?");
  EXPECT_EQ(refusal("partitions:\n  a:\n    kep: 1\n"), "stasis.yaml:3: unknown key 'kep': did you mean 'keep'?");
  const std::string far = refusal("criu_options: --tcp-established\n");
  EXPECT_EQ(far.find("stasis.yaml:1: unknown key 'criu_options'; there are store, cluster, "), 0U) << far;
}

TEST(Config, KeysGivenTwiceAreRefused) {
  EXPECT_EQ(refusal("store: /a\nstore: /b\n"), "stasis.yaml:2: store: given twice");
  EXPECT_EQ(refusal("partitions:\n  a: {keep: 1}\n  a: {keep: 2}\n"), "stasis.yaml:3: a: given twice");
}

struct Bad {
  const char* text;
  const char* refusal;
};
class ConfigBad : public testing::TestWithParam<Bad> {};
TEST_P(ConfigBad, IsRefusedWithLineAndReason) { EXPECT_EQ(refusal(GetParam().text), GetParam().refusal); }
INSTANTIATE_TEST_SUITE_P(
    Values, ConfigBad,
    testing::Values(
        Bad{"store: relative\n", "stasis.yaml:1: store: must be an absolute path, and 'relative' is none"},
        Bad{"store:\n", "stasis.yaml:1: store: must be a single value"},
        Bad{"store: ''\n", "stasis.yaml:1: store: must be an absolute path, and '' is none"},
        Bad{"store: [/a, /b]\n", "stasis.yaml:1: store: must be a single value"},
        Bad{"\nstore: /a/../b\n", "stasis.yaml:2: store: must not contain '..'"},
        Bad{"store: \"/a\\nb\"\n", "stasis.yaml:1: store: must not contain control characters"},
        Bad{"cluster: a/b\n",
            "stasis.yaml:1: cluster: must be letters, digits, '_', '-' and '.', not beginning with '.'"},
        Bad{"cluster: ..\n",
            "stasis.yaml:1: cluster: must be letters, digits, '_', '-' and '.', not beginning with '.'"},
        Bad{"defaults: {keep: 0}\n", "stasis.yaml:1: keep: must be a number from 1 to 100"},
        Bad{"defaults: {keep: 101}\n", "stasis.yaml:1: keep: must be a number from 1 to 100"},
        Bad{"defaults: {keep: 1.5}\n", "stasis.yaml:1: keep: must be a number from 1 to 100"},
        Bad{"defaults: {keep: many}\n", "stasis.yaml:1: keep: must be a number from 1 to 100"},
        Bad{"defaults:\n  requeue_on_ckpt: maybe\n", "stasis.yaml:2: requeue_on_ckpt: must be true or false"},
        Bad{"defaults: {restore_failure: retry}\n",
            "stasis.yaml:1: restore_failure: 'retry' is neither hold nor restart"},
        Bad{"defaults: {prefer_other_node: never}\n",
            "stasis.yaml:1: prefer_other_node: 'never' is none of off, soft and hard"},
        Bad{"defaults: {dump_timeout: 600}\n",
            "stasis.yaml:1: dump_timeout: must be a time with its unit such as 30s, 45m or 2h, and '600' is none"},
        Bad{"defaults: {dump_timeout: off}\n",
            "stasis.yaml:1: dump_timeout: must be a time with its unit such as 30s, 45m or 2h, and 'off' is none"},
        Bad{"defaults: {max_interval: 600}\n",
            "stasis.yaml:1: max_interval: must be a time with its unit such as 30s, "
            "45m or 2h, or off, and '600' is none"},
        Bad{"defaults: {mean_time_between_failures: off}\n",
            "stasis.yaml:1: mean_time_between_failures: must be a time with its unit such as 30s, 45m or 2h, and "
            "'off' is none"}));
INSTANTIATE_TEST_SUITE_P(Contradictions, ConfigBad,
                         testing::Values(Bad{"defaults: {checkpoint_every: 10s}\n",
                                             "stasis.yaml:1: checkpoint_every (10s) is less than min_interval (30s)"},
                                         Bad{"defaults:\n  max_interval: 1h\n  checkpoint_every: 2h\n",
                                             "stasis.yaml:2: max_interval (1h) is less than checkpoint_every (2h)"},
                                         Bad{"partitions:\n  a:\n    keep: 3\n    max_interval: 10s\n",
                                             "stasis.yaml:2: max_interval (10s) is less than min_interval (30s)"}));
INSTANTIATE_TEST_SUITE_P(
    Shapes, ConfigBad,
    testing::Values(Bad{"just text\n", "stasis.yaml:1: must be 'key: value' lines"},
                    Bad{"- a\n- b\n", "stasis.yaml:1: must be 'key: value' lines"},
                    Bad{"store: /a\npartitions: [a, b]\n", "stasis.yaml:2: must be 'key: value' lines"},
                    Bad{"partitions:\n  a: 5\n", "stasis.yaml:2: must be 'key: value' lines"},
                    Bad{"? [a]\n: b\n", "stasis.yaml:1: a key must be a single word"},
                    Bad{"store: /a\n---\nstore: /b\n", "stasis.yaml: more than one YAML document"}));

TEST(Config, WhatIsNoYamlIsRefusedWithItsLine) {
  EXPECT_EQ(refusal("store: /a\ndefaults: {keep: 2\n").find("stasis.yaml:"), 0U);
  EXPECT_EQ(refusal("store: \"\n").find("stasis.yaml:"), 0U);
  EXPECT_NE(refusal("store: *unknown\n"), "accepted");
}

TEST(Config, CutAtAnyLengthNeverCrashes) {
  const std::string whole = "store: /a\ndefaults: {keep: 2, max_interval: \"1d\"}\npartitions:\n  a:\n    keep: 3\n";
  for (std::size_t length = 0; length < whole.size(); ++length) (void)refusal(whole.substr(0, length));
}

TEST(Config, OfAMissingFileIsNotFound) {
  const auto config = load_config("/nowhere/stasis.yaml");
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::not_found);
}

TEST(Config, LoadedFromAFileNamesThatFile) {
  const TempDirectory directory;
  const std::string path = directory.write("stasis.yaml", "keep: 2\n");
  const auto config = load_config(path);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message.find(path + ":1: unknown key 'keep'"), 0U);
}

constexpr char kSample[] = STASIS_SOURCE_DIR "/etc/stasis.yaml";

TEST(Config, InstalledSampleIsTheDefaults) {
  const auto config = load_config(kSample);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(*config, Config());
}

TEST(Config, InstalledSampleShowsEveryKeyWithItsDefault) {
  // What the sample shows in comments is taken at its word: uncommented, nothing but its one partition changes. Prose
  // has a space after the #.
  std::string text = read_file(kSample).value();
  text = std::regex_replace(text, std::regex("(^|\n)( *)#((?:  )*[a-z_]+:)"), "$1$2$3");
  auto config = parse_config(text, "uncommented");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->policy_for("preempt").checkpoint_every.every, 30min);
  EXPECT_EQ(config->partitions.erase("preempt"), 1U);
  EXPECT_EQ(*config, Config());
  for (const char* key : {"store",
                          "cluster",
                          "key_file",
                          "local",
                          "socket",
                          "criu",
                          "scontrol",
                          "checkpoint_every",
                          "checkpoint_method",
                          "mean_time_between_failures",
                          "requeue_on_ckpt",
                          "keep",
                          "min_interval",
                          "max_interval",
                          "first_checkpoint",
                          "prefer_other_node",
                          "requeue_begin_now",
                          "allow_io_uring",
                          "outside_connections",
                          "check_cpu",
                          "restore_failure",
                          "users_may_opt_out",
                          "final_dump_margin",
                          "dump_timeout"}) {
    EXPECT_TRUE(std::regex_search(text, std::regex("\n *" + std::string(key) + ": "))) << key;
  }
}

}  // namespace
}  // namespace stasis
