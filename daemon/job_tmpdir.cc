// SPDX-License-Identifier: Apache-2.0
#include "daemon/job_tmpdir.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <filesystem>

#include "common/read_file.h"

namespace stasis {
namespace {

constexpr std::size_t kEnvironmentLimit = 16 << 20;
constexpr std::int64_t kZfs = 0x2fc12fc1;
constexpr std::array<std::int64_t, 7> kLocal{
    EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, RAMFS_MAGIC, kZfs};

std::string variable(std::string_view environment, std::string_view name) {
  while (!environment.empty()) {
    const auto end = std::min(environment.find('\0'), environment.size());
    const std::string_view one = environment.substr(0, end);
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return std::string(one.substr(name.size() + 1));
    }
    environment.remove_prefix(std::min(end + 1, environment.size()));
  }
  return "";
}

// In the capsule's own file system, without following a link out of it or anywhere else.
UniqueFd open_inside(const Run& run, const std::string& path) {
  const UniqueFd root(::open(("/proc/" + std::to_string(run.init) + "/root").c_str(), O_PATH | O_CLOEXEC));
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str() + 1, &how, sizeof how)));
}

bool is_on_this_node(int fd) {
  struct statfs facts {};
  return ::fstatfs(fd, &facts) == 0 && std::find(kLocal.begin(), kLocal.end(), facts.f_type) != kLocal.end();
}

bool belongs_to(int fd, uid_t uid) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 && status.st_uid == uid;
}

}  // namespace

bool is_called_after(const std::string& path, const TaskFacts& job) {
  if (!path.starts_with('/') || std::filesystem::path(path).lexically_normal().string() != path ||
      path.ends_with('/')) {
    return false;
  }
  for (const std::string taken : kScratchPaths) {
    if (path == taken || path.starts_with(taken + "/")) return false;
  }
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  for (auto at = path.begin(); (at = std::find_if(at, path.end(), is_digit)) != path.end();) {
    const auto end = std::find_if_not(at, path.end(), is_digit);
    const std::string number(at, end);
    if (number == std::to_string(job.job) || (job.array_job != 0 && number == std::to_string(job.array_job)))
      return true;
    at = end;
  }
  return false;
}

std::optional<ScratchDirectory> open_job_tmpdir(const Run& run, const FileIdentity& user) {
  const auto environment = read_file("/proc/" + std::to_string(run.facts.shim) + "/environ", kEnvironmentLimit);
  if (!environment) return std::nullopt;
  const std::string path = variable(*environment, "TMPDIR");
  if (!is_called_after(path, run.facts)) return std::nullopt;
  const ActingAs acting(user);
  UniqueFd fd = open_inside(run, path);
  if (!fd || !belongs_to(fd.get(), user.uid) || !is_on_this_node(fd.get())) return std::nullopt;
  return ScratchDirectory{path, std::move(fd)};
}

Result<ScratchDirectory> make_job_tmpdir(const Run& run, const std::string& path, const FileIdentity& user) {
  if (!is_called_after(path, run.facts)) {
    return fail(ErrorKind::corrupt,
                "$TMPDIR " + path + " is called after another job: what is in it cannot go on here");
  }
  const ActingAs acting(user);
  UniqueFd fd = open_inside(run, path);
  if (!fd && errno == ENOENT) {
    const auto slash = path.rfind('/');
    const UniqueFd parent = open_inside(run, slash == 0 ? "/." : path.substr(0, slash));
    if (!parent || ::mkdirat(parent.get(), path.c_str() + slash + 1, 0700) != 0) {
      return fail(errno_error("make $TMPDIR " + path, errno));
    }
    fd = open_inside(run, path);
  }
  if (!fd) return fail(errno_error("open $TMPDIR " + path, errno));
  if (!belongs_to(fd.get(), user.uid)) return fail(ErrorKind::denied, "$TMPDIR " + path + " is not its user's");
  return ScratchDirectory{path, std::move(fd)};
}

}  // namespace stasis
