// SPDX-License-Identifier: Apache-2.0
#include "common/store_layout.h"

#include <charconv>
#include <cstdio>

namespace stasis {
namespace {

constexpr std::string_view kGeneration = "gen-";
constexpr std::string_view kBase = "base-";
constexpr std::string_view kAside = "aside-";
constexpr std::string_view kAttempt = "failed-";
constexpr std::string_view kUnfit = ".unfit.";

std::string numbered(std::string_view prefix, std::uint32_t number) {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%06u", number);
  return std::string(prefix) + digits;
}

std::string file_name(std::string text) {
  for (char& letter : text) {
    if (letter == '/') letter = '_';
  }
  return text;
}

std::optional<std::uint32_t> parse(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  // One spelling per number, or two directories could claim to be the same generation.
  if (error != std::errc() || end != name.data() + name.size() || number == 0) return std::nullopt;
  if (numbered("", number) != name) return std::nullopt;
  return number;
}

}  // namespace

std::string job_name(const JobName& name) { return std::to_string(name.job) + "-" + std::to_string(name.first_start); }

std::optional<JobName> parse_job_name(std::string_view name) {
  JobName parsed;
  const char* end = name.data() + name.size();
  const auto job = std::from_chars(name.data(), end, parsed.job);
  if (job.ec != std::errc() || job.ptr == end || *job.ptr != '-') return std::nullopt;
  const auto start = std::from_chars(job.ptr + 1, end, parsed.first_start);
  if (start.ec != std::errc() || start.ptr != end) return std::nullopt;
  return parsed;
}

std::string generation_name(std::uint32_t number) { return numbered(kGeneration, number); }
std::string base_name(std::uint32_t number) { return numbered(kBase, number); }
std::string aside_name(std::uint32_t number) { return numbered(kAside, number); }
std::string hidden_name(std::uint32_t number, const std::string& node) {
  return "." + generation_name(number) + "." + node;
}

std::string probe_name(std::uint32_t job, const std::string& part, const std::string& node) {
  return ".probe-" + std::to_string(job) + "." + part + "." + node;
}

std::string attempt_name(std::uint32_t restarts, const std::string& node) {
  return file_name(std::string(kAttempt) + std::to_string(restarts) + "." + node);
}
bool is_attempt_name(std::string_view name) { return name.starts_with(kAttempt); }

std::string unfit_name(const std::string& node) { return file_name(std::string(kUnfit) + node); }
std::optional<std::string> parse_unfit_name(std::string_view name) {
  if (!name.starts_with(kUnfit) || name.size() == kUnfit.size()) return std::nullopt;
  return std::string(name.substr(kUnfit.size()));
}

std::optional<std::uint32_t> parse_generation_name(std::string_view name) { return parse(kGeneration, name); }
std::optional<std::uint32_t> parse_base_name(std::string_view name) { return parse(kBase, name); }
std::optional<std::uint32_t> parse_aside_name(std::string_view name) { return parse(kAside, name); }
std::optional<std::uint32_t> parse_hidden_name(std::string_view name) {
  if (!name.starts_with('.')) return std::nullopt;
  name.remove_prefix(1);
  return parse(kGeneration, name.substr(0, name.find('.')));
}

}  // namespace stasis
