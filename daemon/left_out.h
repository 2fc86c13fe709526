// SPDX-License-Identifier: Apache-2.0
// left_out.h - a dump that leaves out what is known of the memory: what it has left out is looked at while the tree
// stands still, and afterwards the images are made whole again, as if nothing had been left out.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/page_capture.h"
#include "common/result.h"
#include "daemon/criu_memory.h"
#include "daemon/known_memory.h"
#include "daemon/process_memory.h"

namespace stasis {

class LeftOut {
 public:
  // Nothing is left out until it is told what is known. The directory of the images outlives this.
  explicit LeftOut(int images) : images_(images) {}

  void know(KnownMemory known) { known_ = std::move(known); }
  void forget() { known_ = {}; }
  bool nothing() const { return known_.processes.empty(); }
  const KnownMemory& known() const { return known_; }

  // The tree stands still: notes the frames of a process's pages for the next time, and puts those aside that criu has
  // left out but that are not known to be the same.
  Result<void> note_frozen(int pid, const CriuPagemap& map, const ProcessMemory& memory);
  // The tree may run: takes the pages from the files that criu has written, from what was put aside, and from what is
  // known. The pagemaps say then that all of them are in their images, which are gone.
  Result<void> collect(PageCapture& capture);

  // Bytes that nobody has read.
  std::uint64_t known_bytes() const { return known_pages_ * kPageSize; }

 private:
  const KnownProcess* known_process(int pid) const;
  Result<void> compare(const KnownProcess& known, const MemoryRange& range, const Frame* now,
                       MemoryRanges& not_known) const;
  Result<void> put_aside(int pid, const ProcessMemory& memory) const;
  Result<void> collect(const std::string& pagemap, PageCapture& capture);

  int images_;
  KnownMemory known_;
  std::map<int, MemoryRanges> not_known_;  // by pid
  std::uint64_t known_pages_ = 0;
};

// Of all processes and of shared memory: "pagemap-812.img", "pagemap-shmem-7.img".
Result<std::vector<std::string>> pagemap_names(int images);

}  // namespace stasis
