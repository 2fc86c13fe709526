// SPDX-License-Identifier: Apache-2.0
#include "common/ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "common/file_tail.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

// A file that is only read gets a copy when it is small: its program may remove it once it has been read, and comes
// back to a moment when it was still to be.
constexpr std::uint64_t kReadCopyLimit = 1 << 20;

// What sqlite and its like keep beside a database.
constexpr const char* kCompanions[] = {"-journal", "-wal", "-shm"};

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

class Taker {
 public:
  Taker(const LedgerOptions& options, const FileIndex& before, ArchiveWriter& archive, FileIndex& after)
      : options_(options), before_(before), archive_(archive), after_(after), now_(nanoseconds_now()) {}

  std::int64_t now() const { return now_; }

  bool concerns(const OpenFile& file) const {
    for (const auto& directory : options_.elsewhere) {
      if (is_below(file.path, directory)) return false;
    }
    // What is others', and only read, is not the job's to put back.
    return file.writing != Writing::none || file.status.st_uid == options_.user.uid;
  }

  Result<LedgerFile> take(const OpenFile& file) {
    LedgerFile entry;
    entry.path = file.path;
    entry.writing = file.writing;
    entry.stamp = stamp_of(file.status);
    entry.mode = file.status.st_mode;
    // As the user: root may be nobody there, and must not copy for a user what he could not.
    const UniqueFd fd = [&] {
      const ActingAs acting(options_.user);
      return UniqueFd(::open(file.link.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    }();
    if (fd) STASIS_TRY(copy(file, fd.get(), entry));
    if (fd && file.writing == Writing::append) {
      STASIS_LET(entry.tail, tail_digest(fd.get(), entry.stamp.size));
    }
    if (entry.has_copy) {
      after_.note(file.path, file.status, entry.pieces, now_);
      after_.files[file.path].tail = entry.tail;
      if (file.mapped) after_.files[file.path].settled = false;
    }
    return entry;
  }

 private:
  Result<void> copy(const OpenFile& file, int fd, LedgerFile& entry) {
    const std::uint64_t size = entry.stamp.size;
    if (const IndexedFile* const same = file.mapped ? nullptr : before_.unchanged(file.path, entry.stamp)) {
      entry.pieces = same->pieces;
      entry.has_copy = true;
      return {};
    }
    std::uint64_t from = 0;
    if (file.writing == Writing::append) {
      STASIS_LET(from, grown_from(fd, file.path, entry));
    }
    const std::uint64_t limit = file.writing == Writing::none ? kReadCopyLimit : options_.copy_limit;
    const bool small = size - from <= limit;
    if (!small && file.writing == Writing::none) return {};
    auto added = archive_.append(fd, from, size, small ? ArchiveWriter::How::any : ArchiveWriter::How::clone_only);
    if (!added && !small && added.error().kind == ErrorKind::unsupported) {
      entry.pieces.clear();
      return {};
    }
    if (!added) return fail(added.error());
    entry.pieces.insert(entry.pieces.end(), added->begin(), added->end());
    entry.has_copy = true;
    return {};
  }

  // How much of an appended file the last checkpoint has already; entry.pieces are those then.
  Result<std::uint64_t> grown_from(int fd, const std::string& path, LedgerFile& entry) {
    constexpr std::size_t kMostPieces = 256;
    const IndexedFile* const known = before_.find(path);
    if (known == nullptr || known->stamp.inode != entry.stamp.inode || known->stamp.size > entry.stamp.size ||
        known->pieces.size() > kMostPieces) {
      return std::uint64_t{0};
    }
    STASIS_LET(const std::string now, tail_digest(fd, known->stamp.size));
    if (known->tail.empty() || known->tail != now) return std::uint64_t{0};
    entry.pieces = known->pieces;
    return known->stamp.size;
  }

  const LedgerOptions& options_;
  const FileIndex& before_;
  ArchiveWriter& archive_;
  FileIndex& after_;
  std::int64_t now_;
};

// A file that nobody has open.
std::optional<OpenFile> closed_file(const std::string& root, const std::string& path) {
  OpenFile file{path, root + path, root, {}, Writing::in_place, false};
  if (::lstat(file.link.c_str(), &file.status) != 0 || !S_ISREG(file.status.st_mode)) return std::nullopt;
  return file;
}

// Every regular file below root + path, or that file itself. Symbolic links are not followed.
Result<std::vector<std::string>> files_below(const std::string& root, const std::string& path) {
  // More would freeze the job for long, and are no tree of a few files that a program works on.
  constexpr std::size_t kMostFiles = 100000;
  std::vector<std::string> files;
  if (closed_file(root, path)) return std::vector<std::string>{path};
  std::error_code error;
  namespace fs = std::filesystem;
  for (fs::recursive_directory_iterator at(root + path, fs::directory_options::skip_permission_denied, error), end;
       !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (!fs::is_regular_file(at->symlink_status(gone))) continue;
    files.push_back(at->path().string().substr(root.size()));
    if (files.size() > kMostFiles) {
      return fail(ErrorKind::unsupported,
                  "--checkpoint-with: " + path + " has more than " + std::to_string(kMostFiles) + " files");
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) return fail(errno_error("list " + path, error.value()));
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

Result<Ledger> take_ledger(const std::vector<OpenFile>& files, const LedgerOptions& options, const FileIndex& before,
                           ArchiveWriter& archive, FileIndex& after) {
  Taker taker(options, before, archive, after);
  Ledger ledger;
  ledger.taken_at = taker.now();
  std::set<std::string> open;
  for (const auto& file : files) open.insert(file.path);
  for (const auto& file : files) {
    if (!taker.concerns(file)) continue;
    STASIS_LET(LedgerFile entry, in_context("note " + file.path, taker.take(file)));
    for (const char* suffix : kCompanions) {
      const std::string path = file.path + suffix;
      if (file.writing != Writing::in_place || open.count(path) != 0) continue;
      if (const auto companion = closed_file(file.root, path)) {
        STASIS_LET(LedgerFile beside, in_context("note " + path, taker.take(*companion)));
        ledger.files.push_back(std::move(beside));
      } else {
        entry.absent.emplace_back(suffix);
      }
    }
    ledger.files.push_back(std::move(entry));
  }
  return ledger;
}

Result<void> add_trees(Ledger& ledger, const std::string& root, const std::vector<std::string>& paths,
                       const LedgerOptions& options, const FileIndex& before, ArchiveWriter& archive,
                       FileIndex& after) {
  Taker taker(options, before, archive, after);
  std::set<std::string> known;
  for (const auto& file : ledger.files) known.insert(file.path);
  for (const auto& path : paths) {
    LedgerTree tree{path, {}};
    const ActingAs acting(options.user);
    STASIS_LET(tree.files, files_below(root, path));
    for (const auto& name : tree.files) {
      if (!known.insert(name).second) continue;
      const auto file = closed_file(root, name);
      if (!file) return fail(ErrorKind::failed, name + " vanished while it was looked at");
      STASIS_LET(LedgerFile entry, in_context("note " + name, taker.take(*file)));
      ledger.files.push_back(std::move(entry));
    }
    ledger.trees.push_back(std::move(tree));
  }
  return {};
}

}  // namespace stasis
