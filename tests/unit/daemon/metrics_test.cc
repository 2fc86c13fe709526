// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <regex>
#include <sstream>

#include "common/read_file.h"
#include "daemon/metrics_file.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using ::testing::HasSubstr;

Message made(std::int64_t frozen_us, std::int64_t took_ms) {
  return Message("checkpointed").add("frozen_us", frozen_us).add("took_ms", took_ms).add("bytes", 1000);
}

TEST(Metrics, CountsCheckpointsByOutcomeAndReason) {
  Metrics metrics;
  metrics.checkpoint_ended("interval", made(60000, 1500), std::chrono::seconds(90));
  metrics.checkpoint_ended("interval", made(60000, 2500), std::chrono::seconds(60));
  metrics.checkpoint_ended("steps leave", Message("left"), std::chrono::seconds(0));
  metrics.checkpoint_ended("preempted", Message("signalled").add("took_ms", 9000), std::chrono::seconds(5));
  metrics.checkpoint_ended("preempted", Message("skipped").add("reason", "unsupported"), std::chrono::seconds(0));
  metrics.checkpoint_ended("preempted", Message("lost"), std::chrono::seconds(0));
  const std::string text = metrics.text(3, 2, {{"long", 12.5}});
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_total{outcome=\"made\",reason=\"interval\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_total{outcome=\"left\",reason=\"steps_leave\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_total{outcome=\"signalled\",reason=\"preempted\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_total{outcome=\"skipped\",reason=\"preempted\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_skipped_total{why=\"unsupported\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoints_skipped_total{why=\"lost\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoint_bytes_total 2000\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoint_longest_seconds 2.5\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_checkpoint_seconds_sum 4\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_work_saved_seconds_total 155\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_protected_tasks 3\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_last_checkpoint_seconds{partition=\"long\"} 12.5\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_workers 2\n"));
}

TEST(Metrics, FrozenTimesFillTheirBuckets) {
  Metrics metrics;
  for (const std::int64_t us : {50000, 60000, 700000000}) metrics.checkpoint_ended("interval", made(us, 1), {});
  const std::string text = metrics.text(0, 0, {});
  EXPECT_THAT(text, HasSubstr("_bucket{le=\"0.05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{le=\"0.1\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{le=\"600\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("stasis_frozen_seconds_count 3\n"));
}

TEST(Metrics, CountsRestoresAndWhatWasLost) {
  Metrics metrics;
  metrics.restore_ended(Metrics::Restore::done);
  metrics.restore_ended(Metrics::Restore::failed);
  metrics.work_lost(std::chrono::seconds(30));
  const std::string text = metrics.text(0, 0, {});
  EXPECT_THAT(text, HasSubstr("\nstasis_restores_total{outcome=\"done\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_restores_total{outcome=\"failed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nstasis_work_lost_seconds_total 30\n"));
}

TEST(Metrics, EveryLineIsOneThatPrometheusReads) {
  Metrics metrics;
  metrics.checkpoint_ended("inter\"val\n", made(1, 1), std::chrono::seconds(1));
  metrics.restore_ended(Metrics::Restore::done);
  std::istringstream text(metrics.text(1, 0, {{"par\"ti\\tion", 1}}));
  const std::regex line(
      "# (HELP [a-z_]+ [ -~]+\\.|TYPE [a-z_]+ (counter|gauge|histogram|summary))|"
      "[a-z_]+(\\{[a-z]+=\"[^\"\\\\]*\"(,[a-z]+=\"[^\"\\\\]*\")*\\})? [0-9.e+-]+");
  for (std::string one; std::getline(text, one);) EXPECT_TRUE(std::regex_match(one, line)) << one;
}

TEST(MetricsFile, IsReplacedWholeAndReadableByAll) {
  const TempDirectory directory;
  const std::string path = directory.path() + "/stasis.prom";
  ASSERT_TRUE(write_metrics_file(path, "a 1\n"));
  ASSERT_TRUE(write_metrics_file(path, "a 2\n"));
  EXPECT_EQ(read_file(path).value(), "a 2\n");
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0644));
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(MetricsFile, WritesThroughNoLink) {
  const TempDirectory directory;
  const std::string path = directory.path() + "/stasis.prom";
  std::filesystem::create_symlink(directory.path() + "/elsewhere", path + ".new");
  ASSERT_TRUE(write_metrics_file(path, "a 1\n"));
  EXPECT_FALSE(std::filesystem::exists(directory.path() + "/elsewhere"));
  EXPECT_EQ(read_file(path).value(), "a 1\n");
  EXPECT_FALSE(write_metrics_file(directory.path() + "/none/stasis.prom", "a 1\n"));
}

}  // namespace
}  // namespace stasis
