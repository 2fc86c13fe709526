// SPDX-License-Identifier: Apache-2.0
// auto_interval.h - how often a job had better be checkpointed, where that is left to us: as Young and Daly have it,
// so that what checkpoints cost and what a failure costs together are least. Pure.
//
//   T = sqrt(2 C M) (1 + sqrt(C / 2M) / 3 + C / 18M) - C       for C < 2M, else M
//
// T: run time between two checkpoints. C: what one costs the job. M: mean time between two failures of a node. (J. T.
// Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, FGCS 22 (2006), equation 37;
// the first factor is J. W. Young's of 1974.)
#pragma once

#include <chrono>

namespace stasis {

struct Policy;

// Of a checkpoint, before one of the job was measured: that of a job of about 2 GiB.
inline constexpr std::chrono::milliseconds kAssumedCost{2000};

struct AutoInterval {
  enum class Bound { none, min_interval, max_interval };

  std::chrono::seconds interval{0};
  std::chrono::milliseconds cost{0};
  bool measured = false;  // the cost; else it is assumed, or what the program asked for
  std::chrono::seconds mean_time_between_failures{0};
  Bound bound = Bound::none;  // of the policy, that the interval was brought to

  friend bool operator==(const AutoInterval&, const AutoInterval&) = default;
};

const char* to_string(AutoInterval::Bound bound) noexcept;

// Without bounds, and at least a second.
std::chrono::seconds best_interval(std::chrono::milliseconds cost, std::chrono::seconds mean_time_between_failures);

AutoInterval auto_interval(std::chrono::milliseconds cost, bool measured, const Policy& policy);

}  // namespace stasis
