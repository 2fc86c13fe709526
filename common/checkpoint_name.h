// SPDX-License-Identifier: Apache-2.0
// checkpoint_name.h - how people name a checkpoint: by its job's number and its own, "812:3".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/job_ref.h"
#include "common/result.h"

namespace stasis {

struct CheckpointName {
  JobId job = 0;
  std::optional<std::uint32_t> number;  // nullopt: the newest that can be used

  // "812" or "812:3".
  std::string text() const;
  friend bool operator==(const CheckpointName&, const CheckpointName&) = default;
};

// failed: it is no such name, with a sentence for the user.
Result<CheckpointName> parse_checkpoint_name(const std::string& text);

}  // namespace stasis
