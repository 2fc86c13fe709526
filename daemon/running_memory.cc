// SPDX-License-Identifier: Apache-2.0
#include "daemon/running_memory.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "daemon/images_file.h"
#include "daemon/memory_tracking.h"
#include "daemon/process_memory.h"

namespace stasis {
namespace {

constexpr std::size_t kReadAtOnce = 256;
// A disk takes milliseconds. What takes longer is not waited for.
constexpr std::chrono::seconds kTransfersArrive{2};

std::uint64_t bytes_in(const MemoryRanges& ranges) {
  std::uint64_t bytes = 0;
  for (const auto& range : ranges) bytes += range.pages * kPageSize;
  return bytes;
}

// The next pages of a process, with a frame of 0 for those that were moved while they were read.
Result<void> know_pages(const ProcessMemory& memory, int pagemap, std::uint64_t address, std::size_t count,
                        std::vector<char>& buffer, std::vector<Frame>& frames) {
  std::array<Frame, kReadAtOnce> before;
  frames.resize(count);
  STASIS_TRY(read_frames(pagemap, address, count, before.data()));
  STASIS_TRY(memory.read(address, count * kPageSize, buffer.data()));
  STASIS_TRY(read_frames(pagemap, address, count, frames.data()));
  for (std::size_t i = 0; i < count; ++i) frames[i] = frames[i] == before[i] ? frames[i] : 0;
  return {};
}

Result<KnownProcess> know_process(const ProcessMemory& memory, PageCapture& capture, int images) {
  STASIS_LET(const auto ranges, tracked_pages(memory, Pages::all));
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(UniqueFd file, nameless_images_file(images));
  const int frames_file = file.get();
  KnownProcess known(std::move(file));
  std::vector<char> buffer(kReadAtOnce * kPageSize);
  std::vector<Frame> frames;
  for (MemoryRange left : ranges) {
    while (left.pages > 0) {
      auto count = std::min<std::uint64_t>(left.pages, kReadAtOnce);
      auto read = know_pages(memory, pagemap.get(), left.address, count, buffer, frames);
      // Some of it may be gone since: page by page, then.
      if (!read && count > 1) {
        count = 1;
        read = know_pages(memory, pagemap.get(), left.address, count, buffer, frames);
      }
      if (read) {
        std::uint64_t address = left.address;
        STASIS_TRY(write_frames(frames_file, frames.data(), frames.size()));
        STASIS_TRY(capture.learn(buffer.data(), count, [&](PagePlace place) {
          known.add(address, {place.generation, place.page, 1});
          address += kPageSize;
        }));
      }
      (void)take_front(left, count);
    }
  }
  return known;
}

}  // namespace

void learn_memory(const std::vector<CapsuleProcess>& tree, PageCapture& capture) {
  std::vector<char> buffer(kReadAtOnce * kPageSize);
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    const auto ranges = memory->own_pages();
    if (!ranges) continue;
    for (MemoryRange left : *ranges) {
      while (left.pages > 0) {
        const MemoryRange next = take_front(left, kReadAtOnce);
        // What was there a moment ago may be gone.
        if (!memory->read(next.address, next.pages * kPageSize, buffer.data())) break;
        if (!capture.learn(buffer.data(), next.pages, [](PagePlace) {})) return;
      }
    }
  }
}

Result<KnownMemory> know_memory(const std::vector<CapsuleProcess>& tree, PageCapture& capture, int images) {
  KnownMemory known;
  known.uptime = uptime_now();
  std::vector<std::pair<int, ProcessMemory>> memories;
  for (const auto& process : tree) {
    auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    STASIS_TRY(begin_tracking(*memory));
    STASIS_TRY(mark_tracked(*memory));
    memories.emplace_back(process.inside, std::move(*memory));
  }
  STASIS_TRY(wait_for_transfers(tree, Deadline::in(kTransfersArrive)));
  for (const auto& [pid, memory] : memories) {
    if (auto process = know_process(memory, capture, images)) known.processes.emplace(pid, std::move(*process));
  }
  return known;
}

Result<MemoryWritten> written_since(const std::vector<CapsuleProcess>& tree, const KnownMemory& known) {
  MemoryWritten sum;
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    STASIS_LET(const auto all, tracked_pages(*memory, Pages::all));
    sum.all += bytes_in(all);
    if (known.processes.count(process.inside) == 0) {
      sum.written += bytes_in(all);
    } else {
      STASIS_LET(const auto written, tracked_pages(*memory, Pages::written));
      sum.written += bytes_in(written);
    }
  }
  return sum;
}

}  // namespace stasis
