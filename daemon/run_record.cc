// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_record.h"

#include <algorithm>
#include <utility>

namespace stasis {

std::chrono::seconds RunRecord::at_risk(std::time_t now) const {
  if (began == 0) return std::chrono::seconds(0);
  return std::chrono::seconds(std::max<std::time_t>(0, now - std::max(began, made_at)));
}

std::chrono::seconds RunRecord::note(const Message& result, std::time_t now) {
  if (result.verb() == "signalled") {
    // What its program has written is as good as known by its user: the program was asked, and caught it.
    trouble.clear();
    const auto safe = at_risk(now);
    made_at = now;
    return safe;
  }
  if (result.verb() != "checkpointed") {
    // One that "left" went after its steps, as it was meant to.
    if (result.verb() != "left") trouble = result.get("text").value_or(result.get("error").value_or("no reason given"));
    return std::chrono::seconds(0);
  }
  took_ms = result.get_int("took_ms", 0, INT64_MAX).value_or(0);
  frozen_ms = result.get_int("frozen_us", 0, INT64_MAX).value_or(0) / 1000;
  bytes = static_cast<std::uint64_t>(result.get_int("bytes", 0, INT64_MAX).value_or(0));
  number = static_cast<std::uint32_t>(result.get_int("number", 0, UINT32_MAX).value_or(0));
  trouble.clear();
  // It holds what was there when it began, as good as we know.
  const std::time_t holds = now - took_ms / 1000;
  const auto safe = at_risk(holds);
  made_at = std::max(made_at, holds);
  return safe;
}

std::chrono::seconds RunRecord::take_loss(const Message& job) {
  const auto requeued = job.get_int("submitted", 1, INT64_MAX);
  if (resumed_from == 0 || !requeued || std::exchange(loss_is_counted, true)) return std::chrono::seconds(0);
  return std::chrono::seconds(std::max<std::int64_t>(0, *requeued - resumed_from));
}

}  // namespace stasis
