// SPDX-License-Identifier: Apache-2.0
#include "common/auto_interval.h"

#include <algorithm>
#include <cmath>

#include "common/policy.h"

namespace stasis {

const char* to_string(AutoInterval::Bound bound) noexcept {
  switch (bound) {
    case AutoInterval::Bound::min_interval:
      return "min_interval";
    case AutoInterval::Bound::max_interval:
      return "max_interval";
    case AutoInterval::Bound::none:
      break;
  }
  return "none";
}

std::chrono::seconds best_interval(std::chrono::milliseconds cost, std::chrono::seconds mean_time_between_failures) {
  const double c = std::max(1.0, static_cast<double>(cost.count())) / 1e3;
  const auto m = static_cast<double>(mean_time_between_failures.count());
  const double half = c / (2 * m);
  const double t = half < 1 ? std::sqrt(2 * c * m) * (1 + std::sqrt(half) / 3 + half / 9) - c : m;
  return std::chrono::seconds(std::max(1L, std::lround(t)));
}

AutoInterval auto_interval(std::chrono::milliseconds cost, bool measured, const Policy& policy) {
  AutoInterval found;
  found.cost = cost;
  found.measured = measured;
  found.mean_time_between_failures = policy.mean_time_between_failures;
  found.interval = best_interval(cost, policy.mean_time_between_failures);
  if (found.interval < policy.min_interval) {
    found.interval = policy.min_interval;
    found.bound = AutoInterval::Bound::min_interval;
  } else if (policy.max_interval && found.interval > *policy.max_interval) {
    found.interval = *policy.max_interval;
    found.bound = AutoInterval::Bound::max_interval;
  }
  return found;
}

}  // namespace stasis
