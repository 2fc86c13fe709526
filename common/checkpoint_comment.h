// SPDX-License-Identifier: Apache-2.0
// checkpoint_comment.h - the last checkpoint of a job in one line, as `scontrol show job` has it in AdminComment, and
// where the job runs since:
//
//   stasis: checkpoint 3 of 2026-11-21T06:31:02, 1.4 MiB, runs on n1
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace stasis {

struct CheckpointComment {
  std::uint32_t number = 0;
  std::string when;
  std::string size;
  std::string node;

  friend bool operator==(const CheckpointComment&, const CheckpointComment&) = default;
};

CheckpointComment make_checkpoint_comment(std::uint32_t number, std::time_t made_at, std::uint64_t bytes,
                                          const std::string& node);
std::string write_checkpoint_comment(const CheckpointComment& comment);

// nullopt: a comment of somebody else's, which must be left alone.
std::optional<CheckpointComment> parse_checkpoint_comment(std::string_view text);

}  // namespace stasis
