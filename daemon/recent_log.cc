// SPDX-License-Identifier: Apache-2.0
#include "daemon/recent_log.h"

#include <charconv>
#include <optional>

namespace stasis {
namespace {

// A line is no longer than this in here: a failed dump's can hold much of what criu said.
constexpr std::size_t kLongestLine = 2048;
// More than a node runs at a time by far.
constexpr std::size_t kMostOwners = 20000;

// "job=812.batch ...": lines are about the job they begin with.
std::optional<JobId> job_of(std::string_view text) {
  constexpr std::string_view kBegin = "job=";
  if (!text.starts_with(kBegin)) return std::nullopt;
  text.remove_prefix(kBegin.size());
  JobId job = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), job);
  if (error != std::errc() || job == 0 || end == text.data() + text.size() || *end != '.') return std::nullopt;
  return job;
}

}  // namespace

void RecentLog::set_owner(JobId job, uid_t uid) {
  const auto [owner, fresh] = owners_.emplace(job, uid);
  // Ids rise: the lowest is the oldest.
  if (owners_.size() > kMostOwners && owner != owners_.begin()) owners_.erase(owners_.begin());
  if (fresh || owner->second == uid) return;
  owner->second = uid;
  std::erase_if(entries_, [job](const Entry& entry) { return entry.job == job; });
}

void RecentLog::add(std::time_t at, LogLevel level, std::string_view text) {
  const auto job = job_of(text);
  if (!job) return;
  entries_.push_back({*job, {at, level, std::string(text.substr(0, kLongestLine))}});
  if (entries_.size() > most_) entries_.pop_front();
}

std::vector<RecentLog::Line> RecentLog::lines(JobId job, uid_t asker) const {
  std::vector<Line> found;
  const auto owner = owners_.find(job);
  if (asker != 0 && (owner == owners_.end() || owner->second != asker)) return found;
  for (const auto& entry : entries_) {
    if (entry.job == job) found.push_back(entry.line);
  }
  return found;
}

}  // namespace stasis
