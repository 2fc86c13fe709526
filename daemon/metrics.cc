// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

namespace stasis {
namespace {

// Reasons are words of ours, some with blanks in them.
std::string label(std::string_view text) {
  std::string word(text);
  for (char& letter : word) {
    if ((letter < 'a' || letter > 'z') && letter != '_') letter = '_';
  }
  return word;
}

// Of Slurm's: as it is, but for what would end it.
std::string label_of(std::string text) {
  for (char& letter : text) {
    if (letter == '"' || letter == '\\' || static_cast<unsigned char>(letter) < ' ') letter = '_';
  }
  return text;
}

class Text {
 public:
  void head(const char* name, const char* type, const char* help) {
    fmt::format_to(std::back_inserter(text_), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  // `labels`: with their braces, or nothing.
  template <class Number>
  void value(const char* name, const std::string& labels, Number number) {
    fmt::format_to(std::back_inserter(text_), "{}{} {}\n", name, labels, number);
  }
  template <class Number>
  void lone(const char* name, const char* type, const char* help, Number number) {
    head(name, type, help);
    value(name, "", number);
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

void Metrics::checkpoint_ended(const std::string& reason, const Message& result, std::chrono::seconds saved) {
  const bool made = result.verb() == "checkpointed";
  const bool signalled = result.verb() == "signalled";
  const bool left = result.verb() == "left";
  ++checkpoints_[{made ? "made" : signalled ? "signalled" : left ? "left" : "skipped", label(reason)}];
  if (signalled) saved_ += saved;
  if (!made) {
    // A worker that died gives no reason.
    if (!left && !signalled) ++skipped_[label(result.get("reason").value_or("lost"))];
    return;
  }
  count_frozen(static_cast<double>(result.get_int("frozen_us", 0, INT64_MAX).value_or(0)) / 1e6);
  const double took = static_cast<double>(result.get_int("took_ms", 0, INT64_MAX).value_or(0)) / 1e3;
  took_sum_ += took;
  longest_ = std::max(longest_, took);
  bytes_ += static_cast<std::uint64_t>(result.get_int("bytes", 0, INT64_MAX).value_or(0));
  saved_ += saved;
}

void Metrics::count_frozen(double seconds) {
  ++frozen_count_;
  frozen_sum_ += seconds;
  for (std::size_t i = 0; i < kFrozenBuckets.size(); ++i) {
    if (seconds > kFrozenBuckets[i]) continue;
    ++frozen_buckets_[i];
    return;
  }
}

void Metrics::restore_ended(Restore outcome) { ++restores_[outcome == Restore::done ? "done" : "failed"]; }

void Metrics::work_lost(std::chrono::seconds lost) { lost_ += lost; }

std::string Metrics::text(std::size_t protected_tasks, std::size_t workers,
                          const std::map<std::string, double>& last_checkpoints) const {
  Text text;
  text.head("stasis_checkpoints_total", "counter",
            "Attempts at a checkpoint, by what came of them and what they were for.");
  for (const auto& [labels, count] : checkpoints_) {
    text.value("stasis_checkpoints_total", fmt::format("{{outcome=\"{}\",reason=\"{}\"}}", labels.first, labels.second),
               count);
  }
  text.head("stasis_checkpoints_skipped_total", "counter", "Checkpoints that came to nothing, by why.");
  for (const auto& [why, count] : skipped_) {
    text.value("stasis_checkpoints_skipped_total", fmt::format("{{why=\"{}\"}}", why), count);
  }
  text.head("stasis_frozen_seconds", "histogram", "How long tasks stood still for a checkpoint.");
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < kFrozenBuckets.size(); ++i) {
    below += frozen_buckets_[i];
    text.value("stasis_frozen_seconds_bucket", fmt::format("{{le=\"{}\"}}", kFrozenBuckets[i]), below);
  }
  text.value("stasis_frozen_seconds_bucket", "{le=\"+Inf\"}", frozen_count_);
  text.value("stasis_frozen_seconds_sum", "", frozen_sum_);
  text.value("stasis_frozen_seconds_count", "", frozen_count_);
  text.head("stasis_checkpoint_seconds", "summary", "How long checkpoints took, publishing included.");
  text.value("stasis_checkpoint_seconds_sum", "", took_sum_);
  text.value("stasis_checkpoint_seconds_count", "", frozen_count_);
  text.lone("stasis_checkpoint_longest_seconds", "gauge", "How long the longest checkpoint took.", longest_);
  text.head("stasis_last_checkpoint_seconds", "gauge",
            "How long a last checkpoint may take of the tasks that run here, at most, by partition.");
  for (const auto& [partition, seconds] : last_checkpoints) {
    text.value("stasis_last_checkpoint_seconds", fmt::format("{{partition=\"{}\"}}", label_of(partition)), seconds);
  }
  text.lone("stasis_checkpoint_bytes_total", "counter", "Bytes written to the store.", bytes_);
  text.head("stasis_restores_total", "counter", "Attempts at resuming a task from a checkpoint.");
  for (const auto& [outcome, count] : restores_) {
    text.value("stasis_restores_total", fmt::format("{{outcome=\"{}\"}}", outcome), count);
  }
  text.lone("stasis_work_saved_seconds_total", "counter", "Run time of tasks that checkpoints have made safe.",
            saved_.count());
  text.lone("stasis_work_lost_seconds_total", "counter",
            "Time between the checkpoints that tasks went on from and the requeues before.", lost_.count());
  text.lone("stasis_protected_tasks", "gauge", "Protected tasks that run here.", protected_tasks);
  text.lone("stasis_workers", "gauge", "Operations under way: dumps, restores, questions to slurmctld.", workers);
  return text.take();
}

}  // namespace stasis
