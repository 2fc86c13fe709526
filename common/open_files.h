// SPDX-License-Identifier: Apache-2.0
// open_files.h - the regular files that a tree of processes has open or mapped, and how it may change them.
#pragma once

#include <sys/stat.h>

#include <set>
#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/file_identity.h"
#include "common/file_index.h"
#include "common/result.h"

namespace stasis {

enum class Writing {
  none,      // open for reading only
  append,    // every descriptor that can write has O_APPEND: what is there stays
  in_place,  // anything may change: open without O_APPEND, or mapped shared and writable
};
const char* to_string(Writing writing) noexcept;

struct OpenFile {
  std::string path;  // in the tree's mount namespace, as CRIU will look for it
  std::string link;  // below /proc; leads to the file itself, whatever is at its path by now
  std::string root;  // below /proc; the tree's file system
  struct stat status {};
  Writing writing = Writing::none;
  bool mapped = false;  // shared and writable: it can be written without any of its times changing
};

// One for each path, sorted by it. What several descriptors and processes can do to one file counts together. FIFOs,
// sockets and devices are not in it, and no files that have no name any more: those travel in CRIU's images. Of a file
// of several names that lost the one it was opened by, the path is the name that a criu dump under way has given it
// (--link-remap); so it is for one that was removed on NFS. What root may not look into is looked into as `user`.
Result<std::vector<OpenFile>> open_files(const std::vector<CapsuleProcess>& tree, const FileIdentity& user);

// Those of them that are mapped, as OpenFile has it.
std::set<FileId> mapped_of(const std::vector<OpenFile>& files);

}  // namespace stasis
