// SPDX-License-Identifier: Apache-2.0
// store_memory.h - the images of a job's memory, put together from the page files of a store.
#pragma once

#include <functional>
#include <memory>

#include "common/file_system.h"
#include "common/image_progress.h"
#include "common/keys.h"
#include "common/page_map.h"

namespace stasis {

// The page file that came with that generation.
using OpenPageFile = std::function<Result<const InputFile*>(std::uint32_t generation)>;
// Sees all pages that are read, from several threads: some at a time, one behind the other from `first` on.
using PageObserver = std::function<void(PagePlace first, const char* pages, std::size_t count)>;

// Puts pages where they belong in an image; called by several threads.
using PutPages =
    std::function<Result<void>(const std::string& image, std::uint64_t at, const char* pages, std::uint64_t count)>;
// Into the images of `map` in that directory, which it makes. What is not put there is zeros.
Result<PutPages> into_whole_images(const PageMap& map, int directory);
// Into segments of them (image_segments.h), not far ahead of whoever reads these.
PutPages into_segments(int directory, ImageProgress& progress);
// Puts all that is not zeros, image by image in the order in which criu has numbered them, each from its beginning on,
// reading every block that is needed once. corrupt: one is damaged. unsupported: a key is missing.
Result<void> put_images(const PageMap& map, const Keys& keys, const OpenPageFile& open, const PutPages& put,
                        int threads, const PageObserver& observer, ImageProgress& progress);
// Reads and verifies every block of every file.
Result<void> verify_page_files(const PageMap& map, const Keys& keys, const OpenPageFile& open, int threads);

}  // namespace stasis
