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

// Makes each image of `map` in the directory `into`, empty.
Result<void> make_images(const PageMap& map, int into);
// Fills them in the order in which criu has numbered them, each from its beginning on, reading every block that is
// needed once. corrupt: one is damaged.
// unsupported: a key is missing.
Result<void> fill_images(const PageMap& map, const Keys& keys, const OpenPageFile& open, int into, int threads,
                         const PageObserver& observer, ImageProgress& progress);
// Reads and verifies every block of every file.
Result<void> verify_page_files(const PageMap& map, const Keys& keys, const OpenPageFile& open, int threads);

}  // namespace stasis
