// SPDX-License-Identifier: Apache-2.0
#include "daemon/memory_tracking.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "common/page_index.h"
#include "common/proc.h"
#include "common/read_file.h"

namespace stasis {
namespace {

// The kernel's interface since Linux 6.7, in Documentation/admin-guide/mm/pagemap.rst there. Older headers lack it.
struct ScanRequest {
  std::uint64_t size = sizeof(ScanRequest);
  std::uint64_t flags = 0;
  std::uint64_t start = 0, end = 0;
  std::uint64_t walk_end = 0;  // answered: how far it came
  std::uint64_t regions = 0, region_count = 0;
  std::uint64_t max_pages = 0;
  std::uint64_t inverted = 0, all_of = 0, any_of = 0, told = 0;
};
struct ScanRegion {
  std::uint64_t start, end, what;
};
constexpr unsigned long kScan = _IOWR('f', 16, ScanRequest);
constexpr std::uint64_t kOfFile = 1U << 2, kPresent = 1U << 3, kSwapped = 1U << 4, kZeros = 1U << 5, kWritten = 1U << 7;

// Of an entry in /proc/PID/pagemap.
constexpr std::uint64_t kInMemory = 1ULL << 63, kFrame = (1ULL << 55) - 1;

constexpr std::size_t kRegionsAtOnce = 4096;
constexpr std::size_t kMapsLimit = 64 << 20;
constexpr std::chrono::milliseconds kLookAgain{5};

Result<void> add_regions(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which,
                         std::vector<MemoryRange>& ranges) {
  std::vector<ScanRegion> regions(kRegionsAtOnce);
  while (begin < end) {
    ScanRequest request;
    request.start = begin;
    request.end = end;
    request.regions = reinterpret_cast<std::uint64_t>(regions.data());
    request.region_count = regions.size();
    request.inverted = request.all_of = kOfFile | kZeros;
    request.any_of = kPresent | kSwapped;
    request.told = kPresent;
    if (which == Pages::written) {
      request.all_of |= kWritten;
    }
    const int found = ::ioctl(pagemap, kScan, &request);
    if (found < 0 && errno == EINTR) continue;
    if (found < 0) return fail(errno_error("scan a process's pages", errno));
    for (int i = 0; i < found; ++i) {
      const auto& region = regions[static_cast<std::size_t>(i)];
      const std::uint64_t pages = (region.end - region.start) / kPageSize;
      if (!ranges.empty() && ranges.back().address + ranges.back().pages * kPageSize == region.start) {
        ranges.back().pages += pages;
      } else {
        ranges.push_back({region.start, pages});
      }
    }
    if (request.walk_end <= begin) return fail(ErrorKind::unsupported, "a scan of pages that does not come to its end");
    begin = request.walk_end;
  }
  return {};
}

Result<std::uint64_t> end_of_stack(const ProcessMemory& memory) {
  STASIS_LET(const auto mappings, memory.private_mappings());
  const auto stack = std::find_if(mappings.begin(), mappings.end(), [](const auto& m) { return m.name == "[stack]"; });
  if (stack == mappings.end()) return fail(ErrorKind::not_found, "a process without a stack");
  return stack->end;
}

Result<void> clear(int refs) {
  // Only the marks of pages that were written to.
  if (::write(refs, "4", 1) != 1) return fail(errno_error("begin to track memory", errno));
  return {};
}

bool is_written(int pagemap, const char* page) {
  const auto at = reinterpret_cast<std::uint64_t>(page);
  std::vector<MemoryRange> written;
  return add_regions(pagemap, at, at + kPageSize, Pages::written, written) && !written.empty();
}

// Threads that wait for a device, and how often they have given up their processor.
struct Waiting {
  std::string status;
  std::uint64_t switches;
};

std::optional<std::uint64_t> switches_of_waiting(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto status = parse_proc_status(*text);
  return status && status->state == 'D' ? std::optional(status->switches) : std::nullopt;
}

std::vector<Waiting> waiting_threads(const std::vector<CapsuleProcess>& tree) {
  std::vector<Waiting> waiting;
  for (const auto& process : tree) {
    std::error_code error;
    const std::string tasks = "/proc/" + std::to_string(process.host) + "/task";
    for (std::filesystem::directory_iterator at(tasks, error), end; !error && at != end; at.increment(error)) {
      const std::string path = at->path().string() + "/status";
      if (const auto switches = switches_of_waiting(path)) waiting.push_back({path, *switches});
    }
  }
  return waiting;
}

}  // namespace

bool kernel_tracks_memory() {
  const UniqueFd refs(::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  const UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  void* const memory = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* const page = static_cast<volatile char*>(memory);
  const auto written = [&] { return is_written(pagemap.get(), static_cast<const char*>(memory)); };
  *page = 1;
  bool tracks = refs && pagemap && written() && clear(refs.get()) && !written();
  *page = 2;
  Frame frame = 0;
  tracks = tracks && written() && read_frames(pagemap.get(), reinterpret_cast<std::uint64_t>(memory), 1, &frame) &&
           frame != 0;
  ::munmap(memory, kPageSize);
  return tracks;
}

Result<void> begin_tracking(const ProcessMemory& memory) {
  STASIS_LET(const UniqueFd refs, memory.open_file("clear_refs", O_WRONLY));
  return clear(refs.get());
}

Result<void> mark_tracked(const ProcessMemory& memory) {
  STASIS_LET(const std::uint64_t end, end_of_stack(memory));
  STASIS_LET(const UniqueFd file, memory.open_file("mem", O_RDWR));
  // The kernel leaves a word of zeros at the very end, behind the program's name.
  const auto last = static_cast<off_t>(end - 1);
  char byte = 1;
  if (::pread(file.get(), &byte, 1, last) != 1 || byte != 0 || ::pwrite(file.get(), &byte, 1, last) != 1) {
    return fail(ErrorKind::unsupported, "a stack that does not end as one does");
  }
  return {};
}

bool is_ours_to_track(const ProcessMemory& memory) {
  const auto end = end_of_stack(memory);
  const auto pagemap = memory.open_file("pagemap", O_RDONLY);
  std::vector<MemoryRange> written;
  return end && pagemap && add_regions(pagemap->get(), *end - kPageSize, *end, Pages::written, written) &&
         !written.empty();
}

Result<std::vector<MemoryRange>> tracked_pages(const ProcessMemory& memory, Pages which) {
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(const auto mappings, memory.private_mappings());
  std::vector<MemoryRange> ranges;
  for (const auto& mapping : mappings) {
    // Where the kernel's time is read has no contents.
    if (mapping.name.starts_with("[vvar") || mapping.name == "[vsyscall]") continue;
    STASIS_TRY(add_regions(pagemap.get(), mapping.begin, mapping.end, which, ranges));
  }
  return ranges;
}

Result<void> read_frames(int pagemap, std::uint64_t address, std::size_t pages, Frame* into) {
  const std::size_t size = pages * sizeof *into;
  const auto from = static_cast<off_t>(address / kPageSize * sizeof *into);
  for (std::size_t done = 0; done < size;) {
    const ssize_t got =
        ::pread(pagemap, reinterpret_cast<char*>(into) + done, size - done, from + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(errno_error("read a pagemap", got == 0 ? ESRCH : errno));
    done += static_cast<std::size_t>(got);
  }
  for (std::size_t i = 0; i < pages; ++i) into[i] = (into[i] & kInMemory) != 0 ? into[i] & kFrame : 0;
  return {};
}

Result<void> wait_for_transfers(const std::vector<CapsuleProcess>& tree, Deadline deadline) {
  for (const auto& process : tree) {
    // Who asks for transfers and does not wait for them has a ring to be told of them.
    const auto maps = read_file("/proc/" + std::to_string(process.host) + "/maps", kMapsLimit);
    if (maps && maps->find("/[aio]") != std::string::npos) {
      return fail(ErrorKind::unsupported, "a process with transfers that nobody waits for");
    }
  }
  for (auto waiting = waiting_threads(tree); !waiting.empty();) {
    std::erase_if(waiting, [](const Waiting& one) { return switches_of_waiting(one.status) != one.switches; });
    if (waiting.empty()) break;
    if (deadline.poll_timeout() == 0) return fail(ErrorKind::timed_out, "a thread has waited for a device too long");
    std::this_thread::sleep_for(kLookAgain);
  }
  return {};
}

}  // namespace stasis
