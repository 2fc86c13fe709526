// SPDX-License-Identifier: Apache-2.0
// scratch.h - the capsule's private /tmp and /dev/shm, and whatever else travels whole with a checkpoint.
#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

#include "common/file_tree.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

// What every capsule has.
inline constexpr const char* kScratchPaths[] = {"/tmp", "/dev/shm"};

struct ScratchDirectory {
  std::string path;  // in the capsule
  UniqueFd fd;
};

// Those of the capsule whose first process is `init`. The pid must be named beyond doubt by `init_pidfd`.
Result<std::vector<ScratchDirectory>> open_scratch(pid_t init, int init_pidfd);

// What changes slowly is copied before the tree stands still. `mapped`: what the tree has mapped, as its times do not
// tell whether it changed.
void save_scratch_in_advance(const std::vector<ScratchDirectory>& scratch, const std::set<FileId>& mapped,
                             ArchiveWriter& archive, FileIndex& index);
// The tree must stand still.
Result<FileTree> save_scratch(const std::vector<ScratchDirectory>& scratch, const std::set<FileId>& mapped,
                              const FileIndex& before, ArchiveWriter& archive, FileIndex& after);

// Puts `tree` back into a capsule in which nothing runs yet, in the cgroups of `init`: what is in /dev/shm is the job's
// memory. Gives back what the next checkpoint needs to know.
Result<FileIndex> restore_scratch(const std::vector<ScratchDirectory>& scratch, pid_t init, int images,
                                  const FileTree& tree);

}  // namespace stasis
