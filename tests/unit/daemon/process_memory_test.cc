// SPDX-License-Identifier: Apache-2.0
// The memory of a real process: a child of this one, which has some pages of its own.
#include "daemon/process_memory.h"

#include <gtest/gtest.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <string>

#include "common/page_index.h"

namespace stasis {
namespace {

class ProcessMemoryTest : public ::testing::Test {
 protected:
  ProcessMemoryTest() {
    memory_ =
        static_cast<char*>(::mmap(nullptr, 8 * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    child_ = ::fork();
    if (child_ == 0) {
      // The first four pages, with a right to none of them.
      for (std::size_t i = 0; i < 4; ++i) std::memset(memory_ + i * kPageSize, 'a' + static_cast<int>(i), kPageSize);
      ::mprotect(memory_, 2 * kPageSize, PROT_NONE);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child_, &status, WUNTRACED);
  }
  ~ProcessMemoryTest() override { end(); }

  void end() {
    if (child_ <= 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }
  std::uint64_t address(std::size_t page) const { return reinterpret_cast<std::uint64_t>(memory_) + page * kPageSize; }
  CapsuleProcess process() const { return {child_, child_, 0}; }

  static bool contain(const MemoryRanges& ranges, std::uint64_t at) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [at](const MemoryRange& range) { return range.address <= at && at < range.end(); });
  }

  char* memory_ = nullptr;
  pid_t child_ = -1;
};

TEST_F(ProcessMemoryTest, IsReadWhateverTheProcessItselfMayDo) {
  const auto memory = ProcessMemory::open(process());
  ASSERT_TRUE(memory) << memory.error().message;
  std::string pages(4 * kPageSize, '\0');
  const auto read = memory->read(address(0), pages.size(), pages.data());
  ASSERT_TRUE(read) << read.error().message;
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(pages.substr(i * kPageSize, kPageSize), std::string(kPageSize, static_cast<char>('a' + i)));
  }
}

TEST_F(ProcessMemoryTest, ItsOwnPagesAreThoseItHasWritten) {
  const auto memory = ProcessMemory::open(process());
  const auto ranges = memory->own_pages();
  ASSERT_TRUE(ranges) << ranges.error().message;
  const auto has = [&](std::size_t page) { return contain(*ranges, address(page)); };
  EXPECT_TRUE(has(2));
  EXPECT_TRUE(has(3));
  EXPECT_FALSE(has(4));
  // Not to be read by the process itself: left for when it stands still.
  EXPECT_FALSE(has(0));
}

TEST_F(ProcessMemoryTest, WhatCanBeExecutedIsAmongThem) {
  const auto memory = ProcessMemory::open(process());
  const auto ranges = memory->executable();
  ASSERT_TRUE(ranges) << ranges.error().message;
  // The child has the same program in the same place.
  EXPECT_TRUE(contain(*ranges, reinterpret_cast<std::uint64_t>(&ProcessMemory::open)));
  EXPECT_FALSE(contain(*ranges, address(2)));
}

TEST_F(ProcessMemoryTest, OfAProcessThatHasEndedIsNoOnesElse) {
  const auto memory = ProcessMemory::open(process());
  ASSERT_TRUE(memory);
  const CapsuleProcess gone = process();
  end();
  char page[kPageSize];
  EXPECT_EQ(memory->read(address(0), sizeof page, page).error().kind, ErrorKind::not_found);
  EXPECT_EQ(ProcessMemory::open(gone).error().kind, ErrorKind::not_found);
}

TEST_F(ProcessMemoryTest, AnotherInsideIsAnother) {
  EXPECT_EQ(ProcessMemory::open({child_, child_ + 1, 0}).error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace stasis
