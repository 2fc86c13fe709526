// SPDX-License-Identifier: Apache-2.0
// page_capture.h - what a checkpoint stores of a job's memory: pages that the store has already are named, the others
// are added to the page file of the new generation.
//
// Compressing takes longer than reading, and while a job stands still it is only read. So a capture has three phases:
// pages of the running job (learn), whatever they are by then, so that few are new later; the images of the job that
// stands still (add_pages after hold_back), of which what is new is put aside as it is; and when the job runs again
// that is compressed and written (finish).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "common/file_system.h"
#include "common/page_file.h"
#include "common/page_index.h"
#include "common/page_map.h"
#include "common/unique_fd.h"

namespace stasis {

class PageCapture {
 public:
  // `create` makes the page file of generation `number`. The index outlives this.
  PageCapture(PageIndex& index, std::uint32_t number, PageFileWriter::Create create, Compression compression,
              PageSealer sealer);

  // Stores what is new among `count` pages; they belong to no image. Calls for the place of each.
  using TakePlace = std::function<void(PagePlace)>;
  Result<void> learn(const char* pages, std::size_t count, const TakePlace& take);
  // From now on what is new is kept in that file, which is empty, until finish().
  void hold_back(UniqueFd file) { held_ = std::move(file); }
  // The next pages of the image of that name ("pages-1.img").
  Result<void> add_pages(const std::string& image, const char* pages, std::size_t count);
  // The next ones of it are stored already.
  void add_known(const std::string& image, const PageRun& run);
  // How many it has so far.
  std::uint64_t pages_of(const std::string& image) const;
  // These were read at the wrong moment, and are what is there now: by their place in the image.
  Result<void> correct(const std::string& image, const std::map<std::uint64_t, std::string>& pages);
  // All is in the page file, which is durable then. `previous` is what the generation before this one was made of.
  Result<PageMap> finish(const PageMap& previous);

  std::uint64_t new_pages() const { return pages_; }

 private:
  template <class Take>
  Result<void> find_places(const char* pages, std::size_t count, const Take& take);
  PageImage& image_called(const std::string& name);
  Result<PagePlace> place_of(const PageHash& hash, const char* page);
  Result<void> store(const char* page);
  Result<void> write_held();

  PageIndex& index_;
  std::uint32_t number_;
  PageFileWriter writer_;
  UniqueFd held_;
  std::string held_block_;
  std::map<std::string, PageImage> images_;
  PageHash zeros_;
  std::uint32_t pages_ = 0;
};

}  // namespace stasis
