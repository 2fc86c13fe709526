// SPDX-License-Identifier: Apache-2.0
// checkpoint_cost.h - what checkpoints cost a job, from what they took: for --checkpoint-every=auto. Pure.
//
// The job pays for the time it stands still, in full. While its checkpoint is compressed and written it runs on, beside
// up to kCompressionThreads threads of ours: they take at most that share of the node's processors, and where every
// processor has a job, that is what jobs lose by it. On a node of 64 that is a sixteenth of the time, on one of 4 or
// less all of it.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace stasis {

// As many as still leave most of a node to its jobs; with four zstd keeps up with most shared file systems.
inline constexpr int kCompressionThreads = 4;

class CheckpointCost {
 public:
  explicit CheckpointCost(unsigned processors) : processors_(std::max(1U, processors)) {}

  // The first checkpoint writes everything and later ones what has changed, and a file system has good and bad days:
  // the mean of what was known and what is new follows the one and does not jump after the other.
  void note(std::chrono::milliseconds frozen, std::chrono::milliseconds took) {
    const auto beside = std::max(took - frozen, std::chrono::milliseconds(0));
    const auto new_cost = frozen + beside * std::min<long>(kCompressionThreads, processors_) / processors_;
    cost_ = cost_ ? (*cost_ + new_cost) / 2 : new_cost;
  }
  // nullopt: none was measured.
  std::optional<std::chrono::milliseconds> mean() const { return cost_; }

 private:
  unsigned processors_;
  std::optional<std::chrono::milliseconds> cost_;
};

}  // namespace stasis
