// SPDX-License-Identifier: Apache-2.0
// store_layout.h - the names of directories and files in the store. In that of one part:
//
//   gen-000007      a generation: its manifest and the files written for it
//   base-000005     was one; keeps the files that generations still use
//   .gen-000008.n1  being written by node n1, or left when that was cut off
//   aside-000008    a generation that its job shall not go on from; becomes gen-000008 again when it shall
//   .old-...        being removed
//   failed-2.n1     a restore was tried on n1 in vain, in the run after two requeues
//
// In that of the job, beside its parts:
//
//   .unfit.n2       it cannot go on on n2
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace stasis {

inline constexpr char kManifestName[] = "manifest";
// Holds all streams that no later generation can use, one behind the other.
inline constexpr char kPackName[] = "pack";
// A manifest has some 250 bytes per stream, and a tree of 10,000 processes some 60,000 streams.
inline constexpr std::size_t kManifestLimit = 64 << 20;

std::string generation_name(std::uint32_t number);
std::string base_name(std::uint32_t number);
std::string aside_name(std::uint32_t number);
std::string hidden_name(std::uint32_t number, const std::string& node);
// Made and removed at once beside the users' directories, by the one run that may write this part of the job. Empty,
// and without a meaning to anybody else: one that a power cut left stays until that run tries again, or for good.
std::string probe_name(std::uint32_t job, const std::string& part, const std::string& node);
inline constexpr std::string_view kOldPrefix = ".old-";

// "<job>-<first start>", a directory in that of a user.
struct JobName {
  std::uint32_t job = 0;
  std::time_t first_start = 0;
};
std::string job_name(const JobName& name);
std::optional<JobName> parse_job_name(std::string_view name);

std::string attempt_name(std::uint32_t restarts, const std::string& node);
bool is_attempt_name(std::string_view name);

std::string unfit_name(const std::string& node);
std::optional<std::string> parse_unfit_name(std::string_view name);

std::optional<std::uint32_t> parse_generation_name(std::string_view name);
std::optional<std::uint32_t> parse_base_name(std::string_view name);
std::optional<std::uint32_t> parse_aside_name(std::string_view name);
std::optional<std::uint32_t> parse_hidden_name(std::string_view name);

}  // namespace stasis
