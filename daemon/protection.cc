// SPDX-License-Identifier: Apache-2.0
#include "daemon/protection.h"

namespace stasis {

Result<Decision> decide_for_task(const Config& config, const TaskFacts& facts) {
  const Request& said = facts.request;
  ProtectionRequest request;
  request.option = said.every;
  request.environment = said.environment;
  if (said.requeue_on_ckpt) request.requeue_on_ckpt = *said.requeue_on_ckpt == "yes";
  request.method = said.method;
  request.keep = said.keep;
  request.restore_failure = said.restore_failure;
  request.from = said.from;
  return decide_protection(config.policy_for(facts.partition), request, OutOfBounds::clamp);
}

}  // namespace stasis
