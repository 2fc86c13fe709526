// SPDX-License-Identifier: Apache-2.0
#include "common/cgroup_join.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/read_file.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// v1 names its controllers among the super block's options: "rw,cpu,cpuacct" or "rw,name=systemd".
std::string v1_controllers(std::string_view super_options) {
  std::string found;
  for (const auto option : split(super_options, ',')) {
    if (option == "rw" || option == "ro" || option == "relatime" || option == "noprefix" ||
        option == "clone_children" || option == "xattr" || option == "seclabel" || option == "cpuset_v2_mode" ||
        option == "favordynmods" || option.starts_with("release_agent="))
      continue;
    if (!found.empty()) found += ',';
    found += option;
  }
  return found;
}

// /proc/PID/cgroup and mountinfo may order "cpu,cpuacct" differently.
bool same_controllers(std::string_view a, std::string_view b) {
  auto left = split(a, ',');
  auto right = split(b, ',');
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  return left == right;
}

Result<void> enter(const std::string& directory) {
  const std::string path = directory + "/cgroup.procs";
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file) return fail(errno_error("open " + path, errno));
  // 0 is the writer itself, whatever its pid is in which namespace.
  if (::write(file.get(), "0", 1) != 1) return fail(errno_error("write " + path, errno));
  return {};
}

}  // namespace

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
  // 36 35 98:0 /root /mount/point options optional-fields... - type source super-options
  std::vector<CgroupMount> mounts;
  for (const auto line : split(mountinfo, '\n')) {
    const auto fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const auto type = *(dash + 1);
    if (type == "cgroup") {
      mounts.push_back({v1_controllers(*(dash + 3)), std::string(fields[3]), std::string(fields[4])});
    } else if (type == "cgroup2") {
      mounts.push_back({"", std::string(fields[3]), std::string(fields[4])});
    }
  }
  return mounts;
}

Result<std::string> cgroup_directory(const CgroupEntry& entry, const std::vector<CgroupMount>& mounts) {
  for (const auto& mount : mounts) {
    if (!same_controllers(mount.controllers, entry.controllers)) continue;
    if (entry.path == mount.root) return mount.path;
    const std::string below = mount.root == "/" ? "" : mount.root;
    if (!entry.path.starts_with(below + "/")) continue;
    const std::string rest = entry.path.substr(below.size());
    // A cgroup outside of the reader's cgroup namespace: ".." here would lead out of the mount, into another hierarchy.
    if (rest == "/.." || rest.starts_with("/../")) continue;
    return mount.path + rest;
  }
  return fail(ErrorKind::not_found, "no mounted cgroup hierarchy shows '" + entry.controllers + ":" + entry.path + "'");
}

Result<void> join_cgroups_of(pid_t pid) {
  STASIS_LET(const auto theirs, read_proc_cgroup(pid));
  STASIS_LET(const auto ours, parse_proc_cgroup(read_file("/proc/self/cgroup").value_or("")));
  STASIS_LET(const std::string mountinfo, read_file("/proc/self/mountinfo"));
  const auto mounts = parse_cgroup_mounts(mountinfo);
  for (const auto& entry : theirs) {
    if (std::find(ours.begin(), ours.end(), entry) != ours.end()) continue;
    STASIS_LET(const std::string directory, cgroup_directory(entry, mounts));
    STASIS_TRY(enter(directory));
  }
  return {};
}

}  // namespace stasis
