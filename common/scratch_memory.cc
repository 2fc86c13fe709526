// SPDX-License-Identifier: Apache-2.0
#include "common/scratch_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "common/unique_fd.h"

namespace stasis {
namespace {

std::string& scratch_directory() {
  static std::string directory;
  return directory;
}

// Of that size on the disk already, for a write to a page that finds no room would be the end of the process.
UniqueFd make_file(std::size_t size) {
  std::string path = scratch_directory();
  if (path.empty()) return {};
  path += "/.scratch-XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file || ::unlink(path.c_str()) != 0 || ::posix_fallocate(file.get(), 0, static_cast<off_t>(size)) != 0) {
    return {};
  }
  return file;
}

}  // namespace

void use_scratch_directory(const std::string& directory) { scratch_directory() = directory; }

void* map_scratch(std::size_t size) {
  void* memory = MAP_FAILED;
  if (const UniqueFd file = make_file(size)) {
    memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  }
  if (memory == MAP_FAILED) {
    memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

void unmap_scratch(void* memory, std::size_t size) { ::munmap(memory, size); }

}  // namespace stasis
