// SPDX-License-Identifier: Apache-2.0
// scratch_memory.h - containers for what grows with the memory of a job: what is large is in files of a directory on
// disk, which nobody sees, mapped. So the kernel can take the memory back that they are in, and however large a job is,
// what is kept of it does not take from the node what belongs to its jobs.
#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <vector>

namespace stasis {

// Where the files of this process, and of those it forks, are. Before that, and when there is no room, memory is
// memory. Like the heap it belongs to the whole process; to be called before there are threads.
void use_scratch_directory(const std::string& directory);

inline constexpr std::size_t kLargeScratch = 256UL << 10;
// Of kLargeScratch bytes or more. Throws std::bad_alloc.
void* map_scratch(std::size_t size);
void unmap_scratch(void* memory, std::size_t size);

template <class T>
class ScratchAllocator {
 public:
  using value_type = T;

  ScratchAllocator() = default;
  template <class Other>
  ScratchAllocator(const ScratchAllocator<Other>&) {}  // NOLINT(google-explicit-constructor): so allocators are made

  T* allocate(std::size_t count) {
    const std::size_t size = count * sizeof(T);
    return static_cast<T*>(size < kLargeScratch ? ::operator new(size) : map_scratch(size));
  }
  void deallocate(T* memory, std::size_t count) {
    const std::size_t size = count * sizeof(T);
    if (size < kLargeScratch) {
      ::operator delete(memory);
    } else {
      unmap_scratch(memory, size);
    }
  }
  template <class Other>
  friend bool operator==(const ScratchAllocator&, const ScratchAllocator<Other>&) {
    return true;
  }
};

template <class T>
using ScratchVector = std::vector<T, ScratchAllocator<T>>;
using ScratchString = std::basic_string<char, std::char_traits<char>, ScratchAllocator<char>>;

}  // namespace stasis
