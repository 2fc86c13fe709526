// SPDX-License-Identifier: Apache-2.0
// stopped_child.h - a process that stands still, with pages of its own: page `i` is full of the letter 'a' + i.
#pragma once

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "common/memory_range.h"

namespace stasis {

class StoppedChild {
 public:
  // The last `executable` pages can be executed and not written to.
  explicit StoppedChild(std::size_t pages, std::size_t executable = 0) : pages_(pages) {
    memory_ = static_cast<char*>(
        ::mmap(nullptr, pages * kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (std::size_t i = 0; i < pages; ++i) std::memset(memory_ + i * kPageSize, 'a' + static_cast<int>(i), kPageSize);
    ::mprotect(memory_ + (pages - executable) * kPageSize, executable * kPageSize, PROT_READ | PROT_EXEC);
    pid_ = ::fork();
    if (pid_ == 0) {
      // It does not stay behind, holding the output open, when a test is aborted.
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(pid_, &status, WUNTRACED);
  }
  ~StoppedChild() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(memory_, pages_ * kPageSize);
  }
  StoppedChild(const StoppedChild&) = delete;
  StoppedChild& operator=(const StoppedChild&) = delete;

  pid_t pid() const { return pid_; }
  // The same pages, at the same address, in the process that made it: what is written there stays there.
  char* page(std::size_t number = 0) const { return memory_ + number * kPageSize; }
  std::uint64_t address(std::size_t page = 0) const {
    return reinterpret_cast<std::uint64_t>(memory_) + page * kPageSize;
  }

 private:
  std::size_t pages_;
  char* memory_ = nullptr;
  pid_t pid_ = -1;
};

}  // namespace stasis
