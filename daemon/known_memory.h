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
#include <vector>

#include "common/manifest.h"
#include "common/page_map.h"
#include "common/result.h"
#include "daemon/criu_memory.h"

namespace stasis {

class KnownProcess {
 public:
  // Pages behind all others that it has so far.
  void add(std::uint64_t address, const PageRun& run);
  // Calls for the pages of that range, one run after the other. not_found: some of them are not known.
  Result<void> find(const MemoryRange& range, const std::function<void(const PageRun&)>& take) const;
  std::vector<MemoryRange> ranges() const;
  std::uint64_t pages() const;
  // All that is not zeros is in one of these page files.
  bool is_within(const std::map<std::uint32_t, PageFileUse>& files) const;

 private:
  struct Piece {
    std::uint64_t address;
    PageRun run;
  };
  std::vector<Piece> pieces_;
};

struct KnownMemory {
  std::chrono::microseconds uptime{0};    // of the machine, when the tracking began
  std::map<int, KnownProcess> processes;  // by pid, as they see themselves
};

// Of the machine, now.
std::chrono::microseconds uptime_now();

// Of the checkpoint whose images are in `images`, that was published as `manifest` with that map.
Result<void> keep_known_memory(const std::string& directory, int images, std::chrono::microseconds uptime,
                               const Manifest& manifest);
// Takes what was kept there away. not_found: nothing was, or it is not of that generation.
Result<KnownMemory> take_known_memory(const std::string& directory, const Manifest& manifest, const PageMap& map);

// The directory among the images in which criu finds what is known: the name of it goes on its command line.
inline constexpr char kKnownForCriu[] = ".known";
Result<void> write_known_for_criu(int images, const KnownMemory& known);
// It, and criu's way there, gone.
void remove_known_for_criu(int images);

}  // namespace stasis
