// SPDX-License-Identifier: Apache-2.0
#include "common/capsule_processes.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <set>
#include <string>

#include "common/proc.h"

namespace stasis {
namespace {

// The namespace's inode names it; 0 when the process is gone.
ino_t pid_namespace(const std::string& pid) {
  struct stat status {};
  return ::stat(("/proc/" + pid + "/ns/pid").c_str(), &status) == 0 ? status.st_ino : 0;
}

}  // namespace

Result<std::vector<CapsuleProcess>> capsule_processes(pid_t init) {
  const ino_t ours = pid_namespace(std::to_string(init));
  if (ours == 0) return fail(ErrorKind::not_found, "the capsule is gone");
  std::vector<CapsuleProcess> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    pid_t pid = 0;
    const auto [stop, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (bad != std::errc() || stop != name.data() + name.size() || pid_namespace(name) != ours) continue;
    const auto status = read_proc_status(pid);
    const auto stat = read_proc_stat(pid);
    if (!status || !stat || status->pids.empty()) continue;
    found.push_back({pid, status->pids.back(), stat->parent});
  }
  if (error) return fail(errno_error("list /proc", error.value()));
  return found;
}

std::vector<CapsuleProcess> tree_of(const std::vector<CapsuleProcess>& processes, pid_t root) {
  std::vector<CapsuleProcess> tree;
  std::set<pid_t> members;
  for (const auto& process : processes) {
    if (process.inside == root) {
      tree.push_back(process);
      members.insert(process.host);
    }
  }
  // A child may stand before its parent in the list: until a round adds nobody.
  for (std::size_t before = 0; before != tree.size() && !tree.empty();) {
    before = tree.size();
    for (const auto& process : processes) {
      if (members.count(process.parent) != 0 && members.insert(process.host).second) tree.push_back(process);
    }
  }
  return tree;
}

}  // namespace stasis
