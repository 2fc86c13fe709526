// SPDX-License-Identifier: Apache-2.0
#include "common/page_scan.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
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
constexpr std::uint64_t kInMemory = 1ULL << 63, kInSwap = 1ULL << 62, kOfAFile = 1ULL << 61, kWasWritten = 1ULL << 55,
                        kFrame = (1ULL << 55) - 1;

constexpr std::size_t kRegionsAtOnce = 4096;
constexpr std::size_t kEntriesAtOnce = 8192;
constexpr std::uint64_t kMostOneByOne = 256ULL << 30;

// false: this kernel knows no scans.
Result<bool> scan_some(int pagemap, ScanRequest& request, MemoryRanges& ranges) {
  std::vector<ScanRegion> regions(kRegionsAtOnce);
  request.regions = reinterpret_cast<std::uint64_t>(regions.data());
  request.region_count = regions.size();
  int found = -1;
  do {
    found = ::ioctl(pagemap, kScan, &request);
  } while (found < 0 && errno == EINTR);
  if (found < 0 && errno == ENOTTY) return false;
  if (found < 0) return fail(errno_error("scan a process's pages", errno));
  for (int i = 0; i < found; ++i) {
    const auto& region = regions[static_cast<std::size_t>(i)];
    append(ranges, {region.start, (region.end - region.start) / kPageSize});
  }
  return true;
}

// 0: there are none behind.
Result<std::size_t> read_entries(int pagemap, std::uint64_t address, std::size_t pages, std::uint64_t* into) {
  const std::size_t size = pages * sizeof *into;
  const auto from = static_cast<off_t>(address / kPageSize * sizeof *into);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got =
        ::pread(pagemap, reinterpret_cast<char*>(into) + done, size - done, from + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read a pagemap", errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done / sizeof *into;
}

bool is_written(int pagemap, const char* page) {
  const auto at = reinterpret_cast<std::uint64_t>(page);
  MemoryRanges written;
  return scan_pages(pagemap, at, at + kPageSize, Pages::written, written) && !written.empty();
}

}  // namespace

Result<void> scan_pages(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which, MemoryRanges& ranges) {
  while (begin < end) {
    ScanRequest request;
    request.start = begin;
    request.end = end;
    request.inverted = request.all_of = kOfFile | kZeros;
    request.any_of = kPresent | kSwapped;
    request.told = kPresent;
    if (which == Pages::written) request.all_of |= kWritten;
    STASIS_LET(const bool scans, scan_some(pagemap, request, ranges));
    if (!scans) return scan_pages_one_by_one(pagemap, begin, end, which, ranges);
    if (request.walk_end <= begin) return fail(ErrorKind::unsupported, "a scan of pages that does not come to its end");
    begin = request.walk_end;
  }
  return {};
}

Result<void> scan_pages_one_by_one(int pagemap, std::uint64_t begin, std::uint64_t end, Pages which,
                                   MemoryRanges& ranges) {
  if (end - begin > kMostOneByOne) return {};
  std::vector<std::uint64_t> entries(kEntriesAtOnce);
  for (std::uint64_t at = begin; at < end;) {
    const auto count = std::min<std::uint64_t>((end - at) / kPageSize, entries.size());
    STASIS_LET(const std::size_t there, read_entries(pagemap, at, count, entries.data()));
    if (there == 0) break;
    for (std::size_t i = 0; i < there; ++i, at += kPageSize) {
      const std::uint64_t entry = entries[i];
      if ((entry & (kInMemory | kInSwap)) == 0 || (entry & kOfAFile) != 0) continue;
      if (which == Pages::all || (entry & kWasWritten) != 0) append(ranges, {at, 1});
    }
  }
  return {};
}

Result<void> read_frames(int pagemap, std::uint64_t address, std::size_t pages, Frame* into) {
  STASIS_LET(const std::size_t there, read_entries(pagemap, address, pages, into));
  if (there < pages) return fail(errno_error("read a pagemap", ESRCH));
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
