// SPDX-License-Identifier: Apache-2.0
// The half of the ledger that puts files back.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "common/file_tail.h"
#include "common/ledger.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

namespace fs = std::filesystem;

constexpr int kFlags = O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

std::string bytes(std::uint64_t number) { return std::to_string(number) + " bytes"; }

class PutBack {
 public:
  PutBack(const LedgerFile& entry, int images, const FileIdentity& user)
      : entry_(entry), archive_(images), user_(user) {}

  Result<void> run() {
    STASIS_TRY(open());
    STASIS_TRY(look());
    if (!S_ISREG(now_.st_mode)) return fail(ErrorKind::unsupported, "is no regular file any more");
    // Reading and writing what is open needs no rights, and the copies are for root only: so not as the user.
    STASIS_TRY(put_contents_back());
    return put_attributes_back();
  }

 private:
  Result<void> open() {
    const ActingAs acting(user_);
    const char* const path = entry_.path.c_str();
    fd_.reset(::open(path, O_RDWR | kFlags));
    if (!fd_ && errno == EACCES) {
      // Its owner may have closed it to himself since he opened it.
      if (struct stat status{}; ::lstat(path, &status) == 0 && S_ISREG(status.st_mode)) {
        (void)::chmod(path, (status.st_mode & 07777) | 0600);
        fd_.reset(::open(path, O_RDWR | kFlags));
      }
    }
    if (!fd_ && errno == EACCES) fd_.reset(::open(path, O_WRONLY | kFlags));
    if (!fd_ && errno == EACCES) fd_.reset(::open(path, O_RDONLY | kFlags));
    if (!fd_ && errno == ENOENT) return bring_back();
    if (!fd_ && errno == ELOOP) return fail(ErrorKind::unsupported, "is a symbolic link now");
    if (!fd_) return fail(errno_error("open", errno));
    return {};
  }

  Result<void> look() {
    const ActingAs acting(user_);
    if (::fstat(fd_.get(), &now_) != 0) return fail(errno_error("stat", errno));
    return {};
  }

  // The file has no name any more, or another one.
  Result<void> bring_back() {
    const fs::path path(entry_.path);
    std::error_code ignored;
    if (!entry_.has_copy) {
      if (!find_renamed(path)) {
        return fail(ErrorKind::unsupported, "has vanished since the checkpoint, and was too large for a copy (" +
                                                bytes(entry_.stamp.size) + ")");
      }
      fd_.reset(::open(entry_.path.c_str(), O_RDWR | kFlags));
    } else {
      fs::create_directories(path.parent_path(), ignored);
      fd_.reset(::open(entry_.path.c_str(), O_RDWR | O_CREAT | O_EXCL | kFlags, 0600));
    }
    if (!fd_) return fail(errno_error("create", errno));
    return {};
  }

  // In the same directory, by its inode: the usual way to replace a file is to write it under another name first.
  bool find_renamed(const fs::path& path) const {
    std::error_code error;
    for (fs::directory_iterator at(path.parent_path(), error), end; !error && at != end; at.increment(error)) {
      struct stat status {};
      if (::lstat(at->path().c_str(), &status) != 0 || status.st_ino != entry_.stamp.inode) continue;
      return S_ISREG(status.st_mode) && ::rename(at->path().c_str(), entry_.path.c_str()) == 0;
    }
    return false;
  }

  // What is in the file up to the size it had has not been touched since.
  Result<bool> only_grown() const {
    if (entry_.writing != Writing::append || static_cast<std::uint64_t>(now_.st_size) < entry_.stamp.size) return false;
    if (entry_.tail.empty()) return now_.st_ino == entry_.stamp.inode;
    const auto tail = tail_digest(fd_.get(), entry_.stamp.size);
    // Open for writing only it cannot be looked into: then it is as good as its identity.
    if (!tail) return now_.st_ino == entry_.stamp.inode;
    return *tail == entry_.tail;
  }

  Result<void> put_contents_back() {
    STASIS_LET(const bool grown, only_grown());
    if (grown) return {};
    if (entry_.has_copy) return archive_.put_back(entry_.pieces, fd_.get(), static_cast<std::uint64_t>(now_.st_size));
    const FileStamp stamp = stamp_of(now_);
    const bool same = stamp.size == entry_.stamp.size && stamp.mtime == entry_.stamp.mtime;
    if (same || (entry_.writing == Writing::none && stamp.size >= entry_.stamp.size)) return {};
    return fail(ErrorKind::unsupported, "was changed since the checkpoint (" + bytes(entry_.stamp.size) + " then, " +
                                            bytes(stamp.size) +
                                            " now), and was too large for a copy: see file_copy_limit in stasis.yaml");
  }

  Result<void> put_attributes_back() {
    STASIS_TRY(look());
    const ActingAs acting(user_);
    if (static_cast<std::uint64_t>(now_.st_size) != entry_.stamp.size &&
        ::ftruncate(fd_.get(), static_cast<off_t>(entry_.stamp.size)) != 0) {
      return fail(errno_error("truncate", errno));
    }
    // CRIU compares the mode. The time is for programs that do.
    if (now_.st_mode != entry_.mode) (void)::fchmod(fd_.get(), entry_.mode & 07777);
    const std::int64_t mtime = entry_.stamp.mtime;
    const timespec times[] = {{0, UTIME_OMIT}, {mtime / 1'000'000'000, mtime % 1'000'000'000}};
    (void)::futimens(fd_.get(), times);
    return {};
  }

  const LedgerFile& entry_;
  ArchiveReader archive_;
  const FileIdentity& user_;
  UniqueFd fd_;
  struct stat now_ {};
};

Result<void> remove_file(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  if (::unlink(path.c_str()) != 0) return fail(errno_error("remove " + path, errno));
  return {};
}

// What the user has there that was not there goes: it came later. What is others', or no file, is not touched.
Result<void> clear_tree(const LedgerTree& tree, uid_t user) {
  const std::set<std::string> known(tree.files.begin(), tree.files.end());
  std::vector<std::string> newer;
  std::error_code error;
  for (fs::recursive_directory_iterator at(tree.path, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    struct stat status {};
    const std::string path = at->path();
    if (known.count(path) != 0 || ::lstat(path.c_str(), &status) != 0) continue;
    if (S_ISREG(status.st_mode) && status.st_uid == user) newer.push_back(path);
  }
  for (const auto& path : newer) STASIS_TRY(remove_file(path));
  return {};
}

}  // namespace

Result<void> roll_back(const Ledger& ledger, int images, const FileIdentity& user) {
  for (const auto& file : ledger.files) {
    STASIS_TRY(in_context("put back " + file.path, PutBack(file, images, user).run()));
  }
  const ActingAs acting(user);
  for (const auto& file : ledger.files) {
    // A journal that is newer than its database would be played back into it.
    for (const auto& suffix : file.absent) STASIS_TRY(remove_file(file.path + suffix));
  }
  for (const auto& tree : ledger.trees) STASIS_TRY(clear_tree(tree, user.uid));
  return {};
}

}  // namespace stasis
