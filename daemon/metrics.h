// SPDX-License-Identifier: Apache-2.0
// metrics.h - what this daemon has done since it was started, in numbers, as Prometheus reads them. docs/metrics.md
// tells what each means.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "common/message.h"

namespace stasis {

// Upper bounds in seconds: a small job stands still for 50 ms, and half a TiB for half an hour.
inline constexpr std::array<double, 9> kFrozenBuckets = {0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600};

class Metrics {
 public:
  enum class Restore { done, failed };

  // `reason`: CheckpointOrder::reason. `result`: what make_checkpoint() says. `saved`: RunRecord::note().
  void checkpoint_ended(const std::string& reason, const Message& result, std::chrono::seconds saved);
  void restore_ended(Restore outcome);
  void work_lost(std::chrono::seconds lost);

  // In the text exposition format. What is counted somewhere else comes as arguments.
  std::string text(std::size_t protected_tasks, std::size_t workers,
                   const std::map<std::string, double>& last_checkpoints) const;

 private:
  void count_frozen(double seconds);

  std::map<std::pair<std::string, std::string>, std::uint64_t> checkpoints_;  // by outcome and reason
  std::map<std::string, std::uint64_t> skipped_;                              // by the name of the error's kind
  std::map<std::string, std::uint64_t> restores_;                             // by outcome
  std::array<std::uint64_t, kFrozenBuckets.size()> frozen_buckets_{};         // each without those below it
  std::uint64_t frozen_count_ = 0;
  double frozen_sum_ = 0;
  double took_sum_ = 0;
  double longest_ = 0;
  std::uint64_t bytes_ = 0;
  std::chrono::seconds saved_{0};
  std::chrono::seconds lost_{0};
};

}  // namespace stasis
