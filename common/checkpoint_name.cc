// SPDX-License-Identifier: Apache-2.0
#include "common/checkpoint_name.h"

#include <charconv>
#include <string_view>

namespace stasis {
namespace {

std::optional<std::uint32_t> number_of(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0) return std::nullopt;
  return value;
}

// "46_4"
bool is_array_task(std::string_view job) {
  return !job.empty() && job.find('_') != std::string_view::npos &&
         job.find_first_not_of("0123456789_") == std::string_view::npos;
}

}  // namespace

std::string CheckpointName::text() const { return std::to_string(job) + (number ? ":" + std::to_string(*number) : ""); }

Result<CheckpointName> parse_checkpoint_name(const std::string& text) {
  const auto colon = text.find(':');
  const std::string_view front = std::string_view(text).substr(0, colon);
  CheckpointName name;
  const auto job = number_of(front);
  if (colon != std::string::npos) name.number = number_of(std::string_view(text).substr(colon + 1));
  if (job && (colon == std::string::npos || name.number)) {
    name.job = *job;
    return name;
  }
  // The store knows jobs by their own numbers, also when Slurm has forgotten which task of which array one was.
  if (is_array_task(front)) {
    return fail(ErrorKind::failed, "'" + text +
                                       "' is a task of an array, which has a job number of its own: `squeue "
                                       "--Format=JobID,ArrayTaskID` and `sacct --format=JobIDRaw,JobID` tell it");
  }
  return fail(ErrorKind::failed, "'" + text + "' is neither a job's number nor JOB:CHECKPOINT, such as 812:3");
}

}  // namespace stasis
