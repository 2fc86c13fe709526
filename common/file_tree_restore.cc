// SPDX-License-Identifier: Apache-2.0
// The half of file_tree.h that puts trees back.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "common/file_tree.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

std::string handle(int fd, const std::string& name) { return "/proc/self/fd/" + std::to_string(fd) + "/" + name; }

class Restorer {
 public:
  Restorer(int root, std::string path, int images, FileIndex& after)
      : root_(root), path_(std::move(path)), archive_(images), after_(after) {}

  Result<void> make(const TreeEntry& entry) {
    if (entry.path == path_) return {};
    STASIS_LET(const Place place, place_of(entry.path));
    const char* const name = place.name.c_str();
    const int fd = place.directory.get();
    if (entry.type == TreeType::directory) {
      struct stat status {};
      if (::fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode)) return {};
      (void)::unlinkat(fd, name, 0);
      return checked(::mkdirat(fd, name, 0700), "mkdir");
    }
    if (::unlinkat(fd, name, 0) != 0 && errno != ENOENT) return fail(errno_error("replace", errno));
    switch (entry.type) {
      case TreeType::file:
        return make_file(entry, place);
      case TreeType::link:
        return checked(::symlinkat(entry.target.c_str(), fd, name), "symlink");
      case TreeType::hard_link:
        return make_hard_link(entry, place);
      case TreeType::fifo:
        return checked(::mknodat(fd, name, S_IFIFO | 0600, 0), "mkfifo");
      case TreeType::socket:
        return checked(::mknodat(fd, name, S_IFSOCK | 0600, 0), "make socket");
      case TreeType::directory:
        break;
    }
    return {};
  }

  // The owner before the mode, for chown() takes set-user-ID bits away; the time last.
  Result<void> dress(const TreeEntry& entry) {
    if (entry.type == TreeType::hard_link) return {};
    STASIS_LET(const Place place, place_of(entry.path));
    const char* const name = place.name.c_str();
    const int fd = place.directory.get();
    STASIS_TRY(checked(::fchownat(fd, name, entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW), "chown"));
    const std::string path = handle(fd, place.name);
    for (const auto& [key, value] : entry.attributes) {
      // "security." ones may not be ours to set, "system." ones not this file system's.
      (void)::lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0);
    }
    if (entry.type != TreeType::link) STASIS_TRY(checked(::fchmodat(fd, name, entry.mode, 0), "chmod"));
    const timespec times[] = {{0, UTIME_OMIT}, {entry.mtime / 1'000'000'000, entry.mtime % 1'000'000'000}};
    STASIS_TRY(checked(::utimensat(fd, name, times, AT_SYMLINK_NOFOLLOW), "set time"));
    struct stat status {};
    if (entry.type == TreeType::file && ::fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
      after_.note(entry.path, status, entry.pieces, nanoseconds_now(), kLocalClockStep);
    }
    return {};
  }

 private:
  struct Place {
    UniqueFd directory;
    std::string name;
  };

  static Result<void> checked(int result, const char* what) {
    if (result == 0) return {};
    return fail(errno_error(what, errno));
  }

  // Step by step from the root, following no link: all there is below was made here, or is to be replaced.
  Result<Place> place_of(const std::string& path) const {
    UniqueFd at(::openat(root_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (path == path_) return Place{std::move(at), "."};
    std::string_view rest = std::string_view(path).substr(path_.size() + 1);
    for (auto slash = rest.find('/'); at && slash != std::string_view::npos; slash = rest.find('/')) {
      const std::string name(rest.substr(0, slash));
      at.reset(::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      rest.remove_prefix(slash + 1);
    }
    if (!at) return fail(errno_error("open its directory", errno));
    return Place{std::move(at), std::string(rest)};
  }

  Result<void> make_file(const TreeEntry& entry, const Place& place) {
    const UniqueFd file(
        ::openat(place.directory.get(), place.name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return fail(errno_error("create", errno));
    return archive_.put_back(entry.pieces, file.get(), 0);
  }

  Result<void> make_hard_link(const TreeEntry& entry, const Place& place) {
    STASIS_LET(const Place other, place_of(entry.target));
    return checked(::linkat(other.directory.get(), other.name.c_str(), place.directory.get(), place.name.c_str(), 0),
                   "link");
  }

  int root_;
  std::string path_;
  ArchiveReader archive_;
  FileIndex& after_;
};

}  // namespace

Result<void> restore_tree(const FileTree& tree, int fd, const std::string& path, int images, FileIndex& after) {
  Restorer restorer(fd, path, images, after);
  const auto concerns = [&](const TreeEntry& entry) {
    return entry.path == path || entry.path.starts_with(path + "/");
  };
  for (const auto& entry : tree) {
    if (concerns(entry)) STASIS_TRY(in_context(entry.path, restorer.make(entry)));
  }
  // From the leaves up: what is made in a directory changes its time.
  for (auto at = tree.rbegin(); at != tree.rend(); ++at) {
    if (concerns(*at)) STASIS_TRY(in_context(at->path, restorer.dress(*at)));
  }
  return {};
}

}  // namespace stasis
