// SPDX-License-Identifier: Apache-2.0
// file_index.h - how the files of a run were at its last checkpoint, so that the next one copies only what changed.
//
// Node-local knowledge beside the generation it belongs to: without it everything is copied, no more.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "common/file_archive.h"
#include "common/manifest.h"
#include "common/result.h"

namespace stasis {

// A file by device and inode, whatever names it has.
using FileId = std::pair<dev_t, ino_t>;
FileId id_of(const struct stat& status);

// What tells an unchanged file from a changed one. Contents cannot change without the change time, save within the
// clock's own step, by a mapping, and on tmpfs: there a page that is mapped can be written at any time unseen.
struct FileStamp {
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime = 0;  // nanoseconds
  std::int64_t ctime = 0;

  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
FileStamp stamp_of(const struct stat& status);

// Shared file systems keep times in steps of up to 2 s, and a server's clock may be a little behind. This node's own
// use its clock, which ticks 100 times a second at least.
inline constexpr std::int64_t kSharedClockStep = 3'000'000'000;
inline constexpr std::int64_t kLocalClockStep = 50'000'000;

struct IndexedFile {
  FileStamp stamp;
  // False: it was written to so shortly before that a later write may show the same times.
  bool settled = false;
  Pieces pieces;
  std::string tail;  // of a file that is appended to: tail_digest() at stamp.size

  friend bool operator==(const IndexedFile&, const IndexedFile&) = default;
};

struct FileIndex {
  std::string belongs_to;                    // identity_of() a generation; empty: none
  std::map<std::string, IndexedFile> files;  // by their path in the capsule

  // Unchanged since, or nullptr.
  const IndexedFile* unchanged(const std::string& path, const FileStamp& stamp) const;
  const IndexedFile* find(const std::string& path) const;
  // `clock_step`: how far apart two changes may be and still show the same time.
  void note(const std::string& path, const struct stat& status, Pieces pieces, std::int64_t now,
            std::int64_t clock_step = kSharedClockStep);

  friend bool operator==(const FileIndex&, const FileIndex&) = default;
};

// One generation and no other, even when a job's id, or a number, is used again.
std::string identity_of(const Manifest& manifest);

std::string write_file_index(const FileIndex& index);
Result<FileIndex> read_file_index(std::string_view text);

// Forgets everything when the index does not belong to `previous`. Otherwise the files whose streams are not worth
// being taken over: less than half of one is used, or there are too many of them.
void drop_poor_streams(FileIndex& index, const Manifest& previous);

// The streams the files need.
std::set<std::uint32_t> streams_of(const FileIndex& index);

std::int64_t nanoseconds_now();

}  // namespace stasis
