// SPDX-License-Identifier: Apache-2.0
// image_segments.h - images of a job's memory on their way to whoever reads each from its beginning to its end, once:
// in files of 16 MiB, removed as they are read.
//
// In one file, what has been read would stay in memory, to be written to the node's disk in the end; whoever fetches
// the rest waits for that as soon as there is more of it than the kernel likes, and a job may have more than the disk
// takes in a minute. What is removed is not written any more. And on XFS who writes to a file waits for who reads it.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

inline constexpr std::uint64_t kSegmentPages = 4096;

// Puts pages where they belong in that image; from any thread.
Result<void> put_into_segments(int directory, const std::string& image, std::uint64_t at, const char* pages,
                               std::uint64_t count);
// The segment of that number, as large as a whole one; what nobody has put there is zeros. Whoever asks first makes it.
// Who puts pages keeps none open: a large job has thousands.
Result<UniqueFd> open_segment(int directory, const std::string& image, std::uint64_t number);
void remove_segment(int directory, const std::string& image, std::uint64_t number);

}  // namespace stasis
