// SPDX-License-Identifier: Apache-2.0
// job_memory.h - the memory of a job on its way into a generation: what is new of it, and the rest by name.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/capsule_processes.h"
#include "common/config.h"
#include "common/criu_command.h"
#include "common/page_capture.h"
#include "common/store.h"
#include "daemon/known_memory.h"
#include "daemon/left_out.h"
#include "daemon/process_memory.h"
#include "daemon/run.h"

namespace stasis {

// One checkpoint.
class JobMemory {
 public:
  // For the generation that `publication` is, after `previous` (nullptr: it is the first that counts). All of them, and
  // the directory `images`, outlive this.
  static Result<std::unique_ptr<JobMemory>> open(const Run& run, const Config& config, const CheckpointStore& store,
                                                 Publication& publication, const Manifest* previous,
                                                 std::uint32_t number, int images, std::uint64_t memory);

  // The tree runs, and will `go_on` after the dump or not: makes sure that there is little to do while it stands still.
  // Where the kernel tells which pages are written to, the others are known, from the checkpoint before or because they
  // are read now. Elsewhere what is in memory is stored now, so that little is new later; but not where little was new
  // the last time, for that costs more than it spares.
  void prepare(const std::vector<CapsuleProcess>& tree, bool go_on);
  // How criu is to dump it.
  Result<void> add_to(DumpOptions& options) const;
  // A dump has failed. True: another one is to be made, of all there is.
  bool stop_tracking();
  // The tree stands still: the next pages of an image, as criu hands them over.
  Result<void> add_pages(const std::string& image, const char* pages, std::size_t count);
  // All images are there, and the tree is as it will go on: looks once more at what criu may have been writing to.
  Result<void> note_frozen(const std::vector<CapsuleProcess>& tree);
  // The tree may run: leaves the stream "memory" among the images and adds the page files to the manifest. On failure
  // nothing of it counts.
  Result<void> finish(Manifest& manifest);
  // The next checkpoint will know what this one has.
  void remember(const Manifest& published);

  // Bytes of the job's memory that the store did not have.
  std::uint64_t new_bytes() const { return capture_->new_pages() * kPageSize; }
  // Bytes of the job's memory that were not even read while it stood still.
  std::uint64_t known_bytes() const { return left_out_.known_bytes(); }

 private:
  JobMemory(PageIndex index, PageMap previous, const Manifest* manifest, int images)
      : index_(std::move(index)),
        previous_(std::move(previous)),
        previous_manifest_(manifest),
        images_(images),
        left_out_(images) {}
  bool much_is_new() const;
  bool may_track(const std::vector<CapsuleProcess>& tree) const;
  Result<KnownMemory> known_before() const;
  bool little_is_written(const std::vector<CapsuleProcess>& tree, const KnownMemory& known) const;
  Result<void> note_frozen(const CapsuleProcess& process, const std::string& pagemap);
  Result<void> correct(const CriuPagemap& map, const ProcessMemory& memory);

  PageIndex index_;
  PageMap previous_;
  const Manifest* previous_manifest_;
  int images_;
  std::unique_ptr<PageCapture> capture_;
  bool held_back_ = false;
  std::string known_directory_;
  std::uint64_t memory_ = 0;  // of the job, in bytes
  bool tracks_ = false;       // the kernel tells what is written to
  LeftOut left_out_;
  std::chrono::microseconds frozen_at_{0};
  std::map<std::uint32_t, PageFileUse> use_;
};

// Where the index of the pages of that run is.
std::string page_index_path(const Config& config, const Run& run);

// Learns the pages of a generation while it is fetched, for the checkpoints of the run that goes on from there.
class PageLearner {
 public:
  // `manifest` is of the generation that will be fetched.
  PageLearner(const Config& config, const Run& run, const Manifest& manifest);
  ~PageLearner();
  PageObserver observer();
  // All has been seen, and belongs to `manifest`.
  void remember(const Manifest& manifest, const CheckpointStore& store);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace stasis
