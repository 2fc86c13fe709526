// SPDX-License-Identifier: Apache-2.0
// store_memory.h - the images of a job's memory, put together from the page files of a store.
#pragma once

#include <functional>
#include <memory>

#include "common/file_system.h"
#include "common/page_map.h"

namespace stasis {

// The page file that came with that generation.
using OpenPageFile = std::function<Result<const InputFile*>(std::uint32_t generation)>;
// Sees every page that is read, from several threads.
using PageObserver = std::function<void(PagePlace place, const char* page)>;

// Makes each image of `map` in the directory `into`, reading every block that it needs once. corrupt: one is damaged.
Result<void> assemble_images(const PageMap& map, const OpenPageFile& open, int into, int threads,
                             const PageObserver& observer);
// Reads and verifies every block of every file.
Result<void> verify_page_files(const PageMap& map, const OpenPageFile& open, int threads);

}  // namespace stasis
