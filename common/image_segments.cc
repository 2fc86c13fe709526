// SPDX-License-Identifier: Apache-2.0
#include "common/image_segments.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/full_io.h"
#include "common/memory_range.h"

namespace stasis {
namespace {

// Criu asks for no name with a dot in front.
std::string segment_name(const std::string& image, std::uint64_t number) {
  return ".part-" + std::to_string(number) + "-of-" + image;
}

constexpr auto kSize = static_cast<off_t>(kSegmentPages * kPageSize);

}  // namespace

Result<UniqueFd> open_segment(int directory, const std::string& image, std::uint64_t number) {
  const std::string name = segment_name(image, number);
  UniqueFd file(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return fail(errno_error("open a part of " + image, errno));
  // Before there is anything in it: XFS writes what is there to the disk first.
  if (status.st_size != kSize && ::ftruncate(file.get(), kSize) != 0) {
    return fail(errno_error("make a part of " + image, errno));
  }
  return file;
}

Result<void> put_into_segments(int directory, const std::string& image, std::uint64_t at, const char* pages,
                               std::uint64_t count) {
  while (count > 0) {
    const std::uint64_t first = at % kSegmentPages;
    const std::uint64_t now = std::min(count, kSegmentPages - first);
    STASIS_LET(const UniqueFd file, open_segment(directory, image, at / kSegmentPages));
    STASIS_TRY(write_fully_at(file.get(), first * kPageSize, pages, now * kPageSize, "write a part of an image"));
    pages += now * kPageSize;
    at += now;
    count -= now;
  }
  return {};
}

void remove_segment(int directory, const std::string& image, std::uint64_t number) {
  (void)::unlinkat(directory, segment_name(image, number).c_str(), 0);
}

}  // namespace stasis
