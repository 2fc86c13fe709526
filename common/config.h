// SPDX-License-Identifier: Apache-2.0
// config.h - stasis.yaml as values. What a key means to an administrator is told in etc/stasis.yaml.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/policy.h"
#include "common/result.h"

namespace stasis {

// A Config is valid: parse_config() refuses everything else.
struct Config {
  std::string store = "/scratch/stasis";
  std::string cluster;  // empty: the name Slurm has for it
  std::string key_file = "/etc/stasis/key";
  std::string local = "/var/lib/stasis/local";
  std::chrono::seconds orphans_after{std::chrono::hours(24)};  // then what no job of Slurm's needs is removed
  std::uint64_t local_limit = 0;                               // of `local`, in bytes; 0: what its file system has
  std::string socket = "/run/stasis/stasisd.sock";
  std::string criu = "/usr/sbin/criu";
  std::string scontrol = "/usr/bin/scontrol";
  std::string metrics_file;  // empty: none is written
  Policy defaults;
  std::map<std::string, Policy, std::less<>> partitions;  // defaults and what differs, already laid over each other

  const Policy& policy_for(std::string_view partition) const;

  friend bool operator==(const Config&, const Config&) = default;
};

// Strict: unknown keys, keys given twice, wrong types and bad values are refused with "FILE:LINE: reason". Keys that
// are left out keep their defaults, so that an empty text is a Config too. `file` is only for the messages.
Result<Config> parse_config(const std::string& text, const std::string& file);

// not_found: there is no such file.
Result<Config> load_config(const std::string& path);

}  // namespace stasis
