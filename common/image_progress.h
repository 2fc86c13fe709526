// SPDX-License-Identifier: Apache-2.0
// image_progress.h - how far the images of a job's memory have come while they are made, and how far whoever reads them
// meanwhile. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/page_map.h"
#include "common/result.h"

namespace stasis {

class ImageProgress {
 public:
  explicit ImageProgress(const PageMap& map);

  bool knows(const std::string& image) const { return images_.count(image) != 0; }

  // Those pages of the image are there. Each is told of once. Fails when nothing more is to come.
  Result<void> add(const std::string& image, std::uint64_t first, std::uint64_t count);
  // Waits while there is much that nobody has read, unless a reader waits for what is not there. Fails as add() does.
  Result<void> wait_for_readers();
  // Nothing more will come, or is wanted. false: that was said before, and why.
  bool fail(const Error& error);

  // Waits until more of the image is there from its beginning on than `pages`, or all of it: so many pages then. Fails
  // when nothing more will come.
  Result<std::uint64_t> wait_beyond(const std::string& image, std::uint64_t pages);
  // So many have been read.
  void have_read(std::uint64_t pages);

 private:
  struct Image {
    std::uint64_t pages = 0;
    ScratchVector<std::uint16_t> missing;  // of each kBlockPages pages
    std::uint64_t whole = 0;               // of these, from the first on
  };
  std::map<std::string, Image> images_;
  std::uint64_t unread_ = 0;
  int waiting_ = 0;  // readers
  std::optional<Error> error_;
  std::mutex guard_;
  std::condition_variable changed_;
};

}  // namespace stasis
