// SPDX-License-Identifier: Apache-2.0
// known_memory.h - what the processes of a job have in memory, by address, and where in its checkpoints that is: as of
// the moment from which the kernel tells which pages were written to (memory_tracking.h). Criu leaves alone what is
// known and was not written to since.
//
// It is kept beside the run, in a directory of files as criu has them, for one checkpoint: the next one takes it away
// and, once it is published, leaves its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/manifest.h"
#include "common/memory_range.h"
#include "common/page_map.h"
#include "common/page_scan.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/criu_memory.h"

namespace stasis {

class KnownProcess {
 public:
  // `frames`: of all of its pages, in the order in which they are added, in a file.
  explicit KnownProcess(UniqueFd frames) : frames_(std::move(frames)) {}
  // Pages behind all others that it has so far.
  void add(std::uint64_t address, const PageRun& run);
  // A range in pieces, each of pages that are stored one behind the other, or that are all not known.
  struct Found {
    std::uint64_t address;
    std::uint32_t pages;
    bool known;
    PageRun run;          // of as many pages
    std::uint64_t index;  // in the file of frames
  };
  Result<void> find(const MemoryRange& range, const std::function<Result<void>(const Found&)>& take) const;
  // Of `count` pages.
  Result<std::vector<Frame>> frames(std::uint64_t index, std::size_t count) const;
  // All that is not zeros is in one of these page files.
  bool is_within(const std::map<std::uint32_t, PageFileUse>& files) const;

 private:
  struct Piece {
    std::uint64_t address;
    PageRun run;
    std::uint64_t index;
  };
  UniqueFd frames_;
  ScratchVector<Piece> pieces_;
  std::uint64_t pages_ = 0;
};

// Appends to a file of frames.
Result<void> write_frames(int file, const Frame* frames, std::size_t count);

struct KnownMemory {
  std::chrono::microseconds uptime{0};    // of the machine, when the tracking began
  std::map<int, KnownProcess> processes;  // by pid, as they see themselves
};

// Of the machine, now.
std::chrono::microseconds uptime_now();

// Among the images: the frames of that process's pages, in the order of its pagemap.
std::string frames_name(int pid);
// Of the checkpoint whose images, with the frames, are in `images`, and which was published as `manifest`.
Result<void> keep_known_memory(const std::string& directory, int images, std::chrono::microseconds uptime,
                               const Manifest& manifest);
// Takes what was kept there away, whatever it is. not_found: nothing was, or it is not of that generation (nullptr:
// none).
Result<KnownMemory> take_known_memory(const std::string& directory, const Manifest* manifest, const PageMap& map);

// The directory among the images in which criu finds what is known: its name goes on the command line. Of a known
// process that is whatever it may have in memory: criu leaves out all that was not written to, and what of that is not
// known, or is in another frame, is ours to read.
inline constexpr char kKnownForCriu[] = ".known";
Result<void> write_known_for_criu(int images, const KnownMemory& known);
// It, and criu's way there, gone.
void remove_known_for_criu(int images);

}  // namespace stasis
