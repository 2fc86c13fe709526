// SPDX-License-Identifier: Apache-2.0
// The memory of this process. Whether this kernel can tell what was written to is another question: the virtual
// machines' can, and tests/vm/test_memory.py looks at that.
#include "common/page_scan.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

#include "common/unique_fd.h"

namespace stasis {
namespace {

class PageScan : public ::testing::Test {
 protected:
  PageScan() {
    void* const memory = ::mmap(nullptr, 8 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::madvise(memory, 8 * kPageSize, MADV_NOHUGEPAGE);
    memory_ = static_cast<char*>(memory);
  }
  ~PageScan() override { ::munmap(memory_, 8 * kPageSize); }

  std::uint64_t address(std::size_t page) const { return reinterpret_cast<std::uint64_t>(memory_) + page * kPageSize; }
  MemoryRanges scan() {
    MemoryRanges ranges;
    EXPECT_TRUE(scan_pages(pagemap_.get(), address(0), address(8), Pages::all, ranges));
    return ranges;
  }
  // The same one after the other.
  MemoryRanges look(std::uint64_t begin, std::uint64_t end) {
    MemoryRanges ranges;
    EXPECT_TRUE(scan_pages_one_by_one(pagemap_.get(), begin, end, Pages::all, ranges));
    return ranges;
  }
  Frame frame(std::size_t page) {
    Frame frame = 0;
    EXPECT_TRUE(read_frames(pagemap_.get(), address(page), 1, &frame));
    return frame;
  }

  UniqueFd pagemap_{::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
  char* memory_ = nullptr;
};

TEST_F(PageScan, FindsThePagesThatAreThere) {
  memory_[1 * kPageSize] = memory_[2 * kPageSize] = memory_[5 * kPageSize] = 1;
  // Only looked at: zeros, and nobody's, which an older kernel does not tell.
  EXPECT_EQ(static_cast<volatile char*>(memory_)[7 * kPageSize], 0);
  const MemoryRanges written{{address(1), 2}, {address(5), 1}};
  const MemoryRanges all{{address(1), 2}, {address(5), 1}, {address(7), 1}};
  EXPECT_EQ(look(address(0), address(8)), all);
  const MemoryRanges scanned = scan();
  EXPECT_TRUE(scanned == written || scanned == all);
  EXPECT_EQ(look(address(0), address(0) + (512ULL << 30)), MemoryRanges()) << "it would take a minute";
}

TEST_F(PageScan, OnAnOlderKernelManyPagesComeInSeveralPieces) {
  constexpr std::size_t kMany = 20000;
  void* const memory =
      ::mmap(nullptr, kMany * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  const auto begin = reinterpret_cast<std::uint64_t>(memory);
  EXPECT_EQ(look(begin, begin + kMany * kPageSize), (MemoryRanges{{begin, kMany}}));
  ::munmap(memory, kMany * kPageSize);
  EXPECT_EQ(look(begin, begin + kMany * kPageSize), MemoryRanges());
}

TEST_F(PageScan, APageIsInAFrameOfItsOwn) {
  memory_[0] = memory_[kPageSize] = 1;
  if (frame(0) == 0) GTEST_SKIP() << "frames are told to root only";
  EXPECT_NE(frame(0), frame(1));
  EXPECT_EQ(frame(3), 0U);
  // A page that moves to another's place brings its frame along.
  const Frame moved = frame(0);
  ASSERT_NE(::mremap(memory_, kPageSize, kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, memory_ + kPageSize), MAP_FAILED);
  EXPECT_EQ(frame(1), moved);
}

TEST_F(PageScan, WhetherWritesAreToldIsFoundOut) {
  // The same answer each time, and nobody's memory is the worse for it.
  memory_[0] = 7;
  EXPECT_EQ(kernel_tracks_memory(), kernel_tracks_memory());
  EXPECT_EQ(memory_[0], 7);
}

}  // namespace
}  // namespace stasis
