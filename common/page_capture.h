// SPDX-License-Identifier: Apache-2.0
// page_capture.h - what a checkpoint stores of a job's memory: pages that the store has already are named, the others
// are added to the page file of the new generation.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/file_system.h"
#include "common/page_file.h"
#include "common/page_index.h"
#include "common/page_map.h"

namespace stasis {

class PageCapture {
 public:
  // `create` makes the page file of generation `number`. The index outlives this.
  PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression);

  // The image of that name ("pages-1.img"), whole: all that the file `fd` gives up to its end.
  Result<void> add_image(const std::string& name, int fd);
  // All is in the page file, which is durable then. `previous` is what the generation before this one was made of.
  Result<PageMap> finish(const PageMap& previous);

  std::uint64_t new_pages() const { return pages_; }

 private:
  Result<PagePlace> place_of(const char* page);

  PageIndex& index_;
  std::uint32_t number_;
  PageFileWriter writer_;
  PageMap map_;
  PageHash zeros_;
  std::uint32_t pages_ = 0;
};

}  // namespace stasis
