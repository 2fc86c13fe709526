// SPDX-License-Identifier: Apache-2.0
// job_files.h - the job's files beside a dump and a restore: what it has open, its private /tmp and /dev/shm, and the
// trees of --checkpoint-with. What did not change since the last checkpoint is taken over from that one.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/ledger.h"
#include "common/store.h"
#include "daemon/run.h"
#include "daemon/scratch.h"

namespace stasis {

class JobFiles {
 public:
  // For checkpoint `number` of the run, after `previous` (nullptr: it is the first). The directory `images` outlives
  // this.
  static Result<JobFiles> open(const Run& run, const Config& config, const CheckpointStore& store,
                               const Generation* previous, std::uint32_t number, int images);

  // no_space: the checkpoint cannot fit. To be called while the tree runs, before save_in_advance().
  Result<void> check_space(const std::vector<CapsuleProcess>& tree);
  // Copies what is large and at rest. The tree runs.
  void save_in_advance();
  // Writes the streams "ledger" and "scratch". The tree stands still.
  Result<void> note_frozen(const std::vector<CapsuleProcess>& tree);

  // The checkpoint before; nullptr: none that can be read.
  const Manifest* previous() const { return previous_ ? &*previous_ : nullptr; }
  // Of the tree, in bytes, as check_space() found it.
  std::uint64_t memory() const { return memory_; }
  // What the generation takes over of files from earlier ones.
  std::vector<ManifestStream> taken_over() const;
  // Bytes of files that were not copied because the file system of the node's disk shares their blocks.
  std::uint64_t shared() const { return archive_.cloned(); }
  // The next checkpoint will know what this one has.
  void remember(const Manifest& published) const;

 private:
  JobFiles(const Run& run, const Config& config, const CheckpointStore& store, std::uint32_t number, int images);

  const Run* run_;
  const Config* config_;
  const CheckpointStore* store_;
  int images_;
  std::optional<Manifest> previous_;
  std::uint64_t memory_ = 0;
  std::set<FileId> mapped_;  // as check_space() found it
  std::vector<ScratchDirectory> scratch_;
  FileIndex before_, after_;
  ArchiveWriter archive_;
};

// Lets criu, with these images, reach the job's files with its user's rights: criu/plugin.cc.
Result<void> let_criu_reach_files(const Run& run, int images);

// Puts everything back into a capsule in which nothing runs yet, from the generation fetched into `images`.
Result<void> put_job_files_back(const Run& run, const Config& config, const Manifest& manifest, int images);

}  // namespace stasis
