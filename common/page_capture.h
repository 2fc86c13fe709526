// SPDX-License-Identifier: Apache-2.0
// page_capture.h - what a checkpoint stores of a job's memory: pages that the store has already are named, the others
// are added to the page file of the new generation.
//
// The job stands still for some of it, and compressing takes longer than reading. So a capture has three phases: pages
// are taken from the running job (learn), whatever they are by then, so that few are new later; pages are taken from
// the job that stands still (add_image after hold_back), and what is new is put aside as it is; and when the job
// runs again that is compressed and written (finish).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>

#include "common/file_system.h"
#include "common/page_file.h"
#include "common/page_index.h"
#include "common/page_map.h"
#include "common/unique_fd.h"

namespace stasis {

// Where pages come from, as if they were one behind the other.
struct PageSource {
  std::uint64_t pages = 0;
  // Those from `first` on, `count` of them. Called by several threads.
  std::function<Result<void>(std::uint64_t first, std::uint32_t count, char* into)> read;
};

class PageCapture {
 public:
  // `create` makes the page file of generation `number`. The index outlives this.
  PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression);

  // Stores what is new among these pages; they belong to no image.
  Result<void> learn(const PageSource& source);
  // From now on what is new is kept in a file of `directory`, which nobody sees, until finish().
  Result<void> hold_back(int directory);
  // The image of that name ("pages-1.img") is those pages.
  Result<void> add_image(const std::string& name, const PageSource& source);
  // The same of all that the file `fd` has.
  Result<void> add_image(const std::string& name, int fd);
  // All is in the page file, which is durable then. `previous` is what the generation before this one was made of.
  Result<PageMap> finish(const PageMap& previous);

  std::uint64_t new_pages() const { return pages_; }

 private:
  class Taking;
  Result<void> take(const PageSource& source, PageImage* image);
  Result<PagePlace> store(const PageHash& hash, const char* page);
  Result<void> write_held();

  PageIndex& index_;
  std::shared_mutex index_guard_;  // to look for pages is for many at once, to add them for one
  std::uint32_t number_;
  int threads_;
  PageFileWriter writer_;
  UniqueFd held_;
  std::string held_block_;
  PageMap map_;
  PageHash zeros_;
  std::uint32_t pages_ = 0;
};

}  // namespace stasis
