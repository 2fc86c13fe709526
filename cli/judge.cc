// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/verbs.h"
#include "common/policy.h"

namespace stasis {

bool judge_interval(const Config& config, const std::string& every, const std::string& partition) {
  ProtectionRequest request;
  request.option = every;
  const auto refusal = [&](const Policy& policy) -> std::string {
    const auto decision = decide_protection(policy, request, OutOfBounds::refuse);
    return decision ? "" : decision.error().message;
  };
  const std::string sentence = refusal(config.policy_for(partition));
  if (sentence.empty()) return true;
  if (partition.empty()) {
    for (const auto& [name, policy] : config.partitions) {
      if (refusal(policy).empty()) return true;
    }
  }
  fmt::print("{}\n", sentence);
  return false;
}

}  // namespace stasis
