// SPDX-License-Identifier: Apache-2.0
// ledger.h - the files that a job was working on when it was dumped, and how they were at that moment.
//
// CRIU brings back a process with its open files, but not what is in them; and it refuses a file whose size is another
// by now. The ledger is taken while the tree is frozen, travels with the generation, and puts each file back before
// the tree is restored: what was written since is cut off, what was overwritten or vanished comes back from a copy.
// Where that cannot be done exactly, the restore is refused with the file's name. docs/formats/ledger.md tells the
// format, docs/architecture.md what is done with which file.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_archive.h"
#include "common/file_identity.h"
#include "common/file_index.h"
#include "common/open_files.h"
#include "common/result.h"

namespace stasis {

inline constexpr int kLedgerFormat = 1;

struct LedgerFile {
  std::string path;  // in the capsule's mount namespace
  Writing writing = Writing::in_place;
  FileStamp stamp;
  mode_t mode = 0;
  bool has_copy = false;  // in `pieces`
  Pieces pieces;
  std::string tail;  // digest of the last bytes of an appended file: is what precedes them still the same file's?
  // Suffixes of files that were not there: a database takes a journal beside it for one to be rolled back.
  std::vector<std::string> absent;

  friend bool operator==(const LedgerFile&, const LedgerFile&) = default;
};

// A tree of --checkpoint-with. Its files are in Ledger::files like the others.
struct LedgerTree {
  std::string path;
  std::vector<std::string> files;  // below it, every one there was

  friend bool operator==(const LedgerTree&, const LedgerTree&) = default;
};

struct Ledger {
  std::int64_t taken_at = 0;  // nanoseconds
  std::vector<LedgerFile> files;
  std::vector<LedgerTree> trees;

  friend bool operator==(const Ledger&, const Ledger&) = default;
};

std::string write_ledger(const Ledger& ledger);
// unsupported: a format this program does not know. corrupt: anything else that is not exactly right.
Result<Ledger> read_ledger(std::string_view text);

struct LedgerOptions {
  FileIdentity user;                   // whose files they are, and who must be able to read what is copied
  std::uint64_t copy_limit = 0;        // of one file; those that share their blocks with the copy may be larger
  std::vector<std::string> elsewhere;  // directories that are saved in another way
};

// Notes the `files`, of which everybody who could write them stands still. What changed since `before` is copied into
// `archive`; `after` gets what the next ledger needs to know.
Result<Ledger> take_ledger(const std::vector<OpenFile>& files, const LedgerOptions& options, const FileIndex& before,
                           ArchiveWriter& archive, FileIndex& after);

// Adds the trees below `root` (the capsule's file system as seen from here) to the ledger.
Result<void> add_trees(Ledger& ledger, const std::string& root, const std::vector<std::string>& paths,
                       const LedgerOptions& options, const FileIndex& before, ArchiveWriter& archive, FileIndex& after);

// Puts every file of the ledger back, in the caller's mount namespace and with the rights of `user`, from the streams
// in the directory `images`. The error names the first file for which that is impossible.
Result<void> roll_back(const Ledger& ledger, int images, const FileIdentity& user);

}  // namespace stasis
