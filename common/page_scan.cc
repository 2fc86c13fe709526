// SPDX-License-Identifier: Apache-2.0
#include "common/page_scan.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "common/unique_fd.h"

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

bool is_written(int pagemap, const char* page) {
  const auto at = reinterpret_cast<std::uint64_t>(page);
  MemoryRanges written;
  return scan_pages(pagemap, at, at + kPageSize, Pages::written, written) && !written.empty();
}

}  // namespace

Result<void> scan_pages(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which, MemoryRanges& ranges) {
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
      append(ranges, {region.start, (region.end - region.start) / kPageSize});
    }
    if (request.walk_end <= begin) return fail(ErrorKind::unsupported, "a scan of pages that does not come to its end");
    begin = request.walk_end;
  }
  return {};
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

Result<void> forget_writes(int clear_refs) {
  // Of all that the kernel notes of pages, only that.
  if (::write(clear_refs, "4", 1) != 1) return fail(errno_error("begin to track memory", errno));
  return {};
}

bool kernel_tracks_memory() {
  const UniqueFd refs(::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  const UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  void* const memory = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  auto* const page = static_cast<volatile char*>(memory);
  const auto written = [&] { return is_written(pagemap.get(), static_cast<const char*>(memory)); };
  *page = 1;
  bool tracks = refs && pagemap && written() && forget_writes(refs.get()) && !written();
  *page = 2;
  Frame frame = 0;
  tracks = tracks && written() && read_frames(pagemap.get(), reinterpret_cast<std::uint64_t>(memory), 1, &frame) &&
           frame != 0;
  ::munmap(memory, kPageSize);
  return tracks;
}

}  // namespace stasis
