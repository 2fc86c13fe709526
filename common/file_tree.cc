// SPDX-License-Identifier: Apache-2.0
#include "common/file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "common/unique_fd.h"

namespace stasis {
namespace {

// Copying a smaller one takes less than what looking twice costs.
constexpr std::uint64_t kWorthInAdvance = 1 << 20;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

Result<std::vector<std::string>> names_in(int fd) {
  const int own = ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> directory(own < 0 ? nullptr : ::fdopendir(own));
  if (!directory) return fail(errno_error("list", errno));
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  if (errno != 0) return fail(errno_error("list", errno));
  std::sort(names.begin(), names.end());
  return names;
}

// The path by which system calls that know no directories find NAME in `fd`.
std::string handle(int fd, const std::string& name) { return "/proc/self/fd/" + std::to_string(fd) + "/" + name; }

std::map<std::string, std::string> attributes_of(int directory, const std::string& name) {
  std::map<std::string, std::string> attributes;
  const std::string path = handle(directory, name);
  std::string list(static_cast<std::size_t>(XATTR_LIST_MAX), '\0');
  const ssize_t size = ::llistxattr(path.c_str(), list.data(), list.size());
  // A file system without them has none.
  if (size <= 0) return attributes;
  list.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < list.size(); at = list.find('\0', at) + 1) {
    const char* const key = list.c_str() + at;
    std::string value(static_cast<std::size_t>(XATTR_SIZE_MAX), '\0');
    const ssize_t got = ::lgetxattr(path.c_str(), key, value.data(), value.size());
    if (got < 0) continue;
    value.resize(static_cast<std::size_t>(got));
    attributes[key] = value;
  }
  return attributes;
}

UniqueFd open_file(int directory, const std::string& name) {
  return UniqueFd(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

// It takes note of the first write to a page through a mapping at most, whoever maps the page later.
Result<bool> is_on_tmpfs(int fd, const std::string& path) {
  struct statfs system {};
  if (::fstatfs(fd, &system) != 0) return fail(errno_error("look at the file system of " + path, errno));
  return system.f_type == TMPFS_MAGIC;
}

class Saver {
 public:
  Saver(const std::set<FileId>& mapped, const FileIndex& before, ArchiveWriter& archive, FileIndex& after,
        FileTree& tree)
      : mapped_(mapped), before_(before), archive_(archive), after_(after), tree_(tree), now_(nanoseconds_now()) {}

  Result<void> save_root(int fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return fail(errno_error("stat " + path, errno));
    STASIS_LET(on_tmpfs_, is_on_tmpfs(fd, path));
    device_ = status.st_dev;
    add(fd, ".", path, status, TreeType::directory);
    return save_directory(fd, path);
  }

 private:
  TreeEntry& add(int directory, const std::string& name, const std::string& path, const struct stat& status,
                 TreeType type) {
    TreeEntry entry{path, type, status.st_mode & 07777, status.st_uid, status.st_gid, stamp_of(status).mtime, "",
                    {},   {}};
    entry.attributes = attributes_of(directory, name);
    tree_.push_back(std::move(entry));
    return tree_.back();
  }

  Result<void> save_directory(int fd, const std::string& path) {
    STASIS_LET(const auto names, names_in(fd));
    for (const auto& name : names) STASIS_TRY(in_context(path + "/" + name, save_one(fd, name, path + "/" + name)));
    return {};
  }

  Result<void> save_one(int fd, const std::string& name, const std::string& path) {
    struct stat status {};
    if (::fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return fail(errno_error("stat", errno));
    if (S_ISDIR(status.st_mode)) {
      const UniqueFd below(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below) return fail(errno_error("open", errno));
      if (status.st_dev != device_) return {};
      add(fd, name, path, status, TreeType::directory);
      return save_directory(below.get(), path);
    }
    if (status.st_nlink > 1) {
      const auto [first, is_new] = linked_.emplace(status.st_ino, path);
      if (!is_new) {
        tree_.push_back({path, TreeType::hard_link, 0, 0, 0, 0, first->second, {}, {}});
        return {};
      }
    }
    if (S_ISREG(status.st_mode)) return save_file(fd, name, path, status);
    if (S_ISFIFO(status.st_mode)) add(fd, name, path, status, TreeType::fifo);
    if (S_ISSOCK(status.st_mode)) add(fd, name, path, status, TreeType::socket);
    if (S_ISLNK(status.st_mode)) {
      char target[PATH_MAX];
      const ssize_t size = ::readlinkat(fd, name.c_str(), target, sizeof target);
      if (size < 0) return fail(errno_error("readlink", errno));
      add(fd, name, path, status, TreeType::link).target.assign(target, static_cast<std::size_t>(size));
    }
    return {};
  }

  Result<void> save_file(int fd, const std::string& name, const std::string& path, const struct stat& status) {
    TreeEntry& entry = add(fd, name, path, status, TreeType::file);
    const bool times_tell = !on_tmpfs_ && mapped_.count(id_of(status)) == 0;
    if (const IndexedFile* const same = times_tell ? before_.unchanged(path, stamp_of(status)) : nullptr) {
      entry.pieces = same->pieces;
    } else {
      const UniqueFd file = open_file(fd, name);
      if (!file) return fail(errno_error("open", errno));
      STASIS_LET(entry.pieces, archive_.append(file.get(), 0, static_cast<std::uint64_t>(status.st_size)));
    }
    after_.note(path, status, entry.pieces, now_, kLocalClockStep);
    if (!times_tell) after_.files[path].settled = false;
    return {};
  }

  const std::set<FileId>& mapped_;
  const FileIndex& before_;
  ArchiveWriter& archive_;
  FileIndex& after_;
  FileTree& tree_;
  std::int64_t now_;
  dev_t device_ = 0;
  bool on_tmpfs_ = false;
  std::map<ino_t, std::string> linked_;
};

// One file that may change at any time: whatever goes wrong, save_tree() will see to it.
void save_early(int fd, const std::string& name, const std::string& path, ArchiveWriter& archive, FileIndex& index) {
  const UniqueFd file = open_file(fd, name);
  struct stat before {
  }, after{};
  if (!file || ::fstat(file.get(), &before) != 0 || !S_ISREG(before.st_mode)) return;
  FileIndex probe;
  probe.note(path, before, {}, nanoseconds_now(), kLocalClockStep);
  if (!probe.files[path].settled || index.unchanged(path, stamp_of(before)) != nullptr) return;
  auto pieces = archive.append(file.get(), 0, static_cast<std::uint64_t>(before.st_size));
  if (!pieces || ::fstat(file.get(), &after) != 0 || stamp_of(before) != stamp_of(after)) return;
  probe.files[path].pieces = std::move(*pieces);
  index.files[path] = probe.files[path];
}

}  // namespace

Result<void> save_tree(int fd, const std::string& path, const std::set<FileId>& mapped, const FileIndex& before,
                       ArchiveWriter& archive, FileIndex& after, FileTree& tree) {
  return Saver(mapped, before, archive, after, tree).save_root(fd, path);
}

std::vector<std::string> roots_of(const FileTree& tree) {
  std::vector<std::string> roots;
  for (const auto& entry : tree) {
    const bool is_below = !roots.empty() && entry.path.starts_with(roots.back() + "/");
    if (!is_below && entry.type == TreeType::directory) roots.push_back(entry.path);
  }
  return roots;
}

Result<void> save_in_advance(int fd, const std::string& path, const std::set<FileId>& mapped, ArchiveWriter& archive,
                             FileIndex& index) {
  STASIS_LET(const bool on_tmpfs, is_on_tmpfs(fd, path));
  if (on_tmpfs) return {};
  STASIS_LET(const auto names, names_in(fd));
  struct stat root {};
  if (::fstat(fd, &root) != 0) return fail(errno_error("stat " + path, errno));
  for (const auto& name : names) {
    struct stat status {};
    if (::fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || status.st_dev != root.st_dev) continue;
    if (S_ISDIR(status.st_mode)) {
      const UniqueFd below(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (below) (void)save_in_advance(below.get(), path + "/" + name, mapped, archive, index);
    } else if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) >= kWorthInAdvance &&
               mapped.count(id_of(status)) == 0) {
      save_early(fd, name, path + "/" + name, archive, index);
    }
  }
  return {};
}

}  // namespace stasis
