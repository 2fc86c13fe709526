// SPDX-License-Identifier: Apache-2.0
// cgroup_join.h - puts the calling process where another one is: same cgroups in every hierarchy, v1 or v2.
//
// What is restored into a job must be charged to the job and die with it, so it has to be born in the job's cgroups.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/proc.h"
#include "common/result.h"

namespace stasis {

// One mounted cgroup hierarchy of a mountinfo text.
struct CgroupMount {
  std::string controllers;  // "memory", "cpu,cpuacct", "name=systemd"; empty for v2
  std::string root;         // which cgroup is at the mount point, as seen from the reader's cgroup namespace
  std::string path;         // the mount point

  friend bool operator==(const CgroupMount&, const CgroupMount&) = default;
};
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

// The directory of `entry` in the file system; not_found when its hierarchy is not mounted or mounted elsewhere.
Result<std::string> cgroup_directory(const CgroupEntry& entry, const std::vector<CgroupMount>& mounts);

// Moves the caller, which must have a single thread. Hierarchies where both are in the same cgroup already are left
// alone, mounted or not. On failure the caller may be in some of the cgroups.
Result<void> join_cgroups_of(pid_t pid);

}  // namespace stasis
