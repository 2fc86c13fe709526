// SPDX-License-Identifier: Apache-2.0
// file_tree.h - a directory with all that is in it, saved and put back: a job's private /tmp, its /dev/shm, its
// $TMPDIR.
//
// Regular files with their holes and hard links, directories, symbolic links, FIFOs and sockets; owners, modes, times
// and extended attributes (ACLs are some). What is in it may be made by an adversary: nothing is reached but by
// descriptors of its directories, and no link is followed. Other file systems mounted below, and devices, are left out.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_archive.h"
#include "common/file_index.h"
#include "common/result.h"

namespace stasis {

inline constexpr int kTreeFormat = 1;

// On disk since format 1: letters never change their meaning.
enum class TreeType : char { directory = 'd', file = 'f', link = 'l', hard_link = 'h', fifo = 'p', socket = 's' };

struct TreeEntry {
  std::string path;  // absolute, in the capsule; a directory comes before what is in it
  TreeType type = TreeType::file;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime = 0;
  std::string target;  // of a symbolic link; the other path of a hard link, which comes before
  Pieces pieces;
  std::map<std::string, std::string> attributes;

  friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};

using FileTree = std::vector<TreeEntry>;

std::string write_file_tree(const FileTree& tree);
// unsupported: a format this program does not know. corrupt: anything else that is not exactly right.
Result<FileTree> read_file_tree(std::string_view text);

// The directories it was saved from.
std::vector<std::string> roots_of(const FileTree& tree);

// Appends what is below the open directory `fd`, called `path` in the capsule, to `tree`. Nobody may change anything
// in it meanwhile. What changed since `before`, and what may have changed unseen as it is on tmpfs or in `mapped`, is
// copied into `archive`; `after` gets what the next save needs to know.
Result<void> save_tree(int fd, const std::string& path, const std::set<FileId>& mapped, const FileIndex& before,
                       ArchiveWriter& archive, FileIndex& after, FileTree& tree);

// Copies large files that have changed since `index` and are at rest, while everybody goes on working, so that
// save_tree() need not. Files that change all the same are seen by save_tree(). Those that it will copy anyway are left
// to it.
Result<void> save_in_advance(int fd, const std::string& path, const std::set<FileId>& mapped, ArchiveWriter& archive,
                             FileIndex& index);

// Puts the entries that are `path` or below it into the open directory `fd`, replacing what is in their places; other
// things stay. `after`: as for save_tree().
Result<void> restore_tree(const FileTree& tree, int fd, const std::string& path, int images, FileIndex& after);

}  // namespace stasis
