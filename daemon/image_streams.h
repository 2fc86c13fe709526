// SPDX-License-Identifier: Apache-2.0
// image_streams.h - takes the images that `criu dump --stream` sends, a pipe for each. Those of pages are handed on;
// all others are written to the directory `images`, as criu itself would have.
//
// Criu passes references to the pages of processes through its pipes, and while it lets go of a process it writes over
// some of its executable pages for a moment. Who takes them has to look at those once more (job_memory.h).
#pragma once

#include <poll.h>

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/deadline.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/page_queue.h"

namespace stasis {

class ImageStreams {
 public:
  // Listens where criu will look for it. The directory outlives this. `take_pages` is called by another thread.
  static Result<ImageStreams> listen(int images, PageQueue::Take take_pages);

  // What to wait for, in any order.
  std::vector<pollfd> waits() const;
  // Takes what is there, without waiting for more of it, but for pages to be taken that were there before. After a
  // failure, here or in finish(), the dump is worth nothing.
  Result<void> take(Deadline deadline);
  // Every image that was announced has come to its end.
  bool idle() const;
  // And all pages have been taken.
  Result<void> finish(Deadline deadline) { return pages_->finish(deadline); }
  // Criu is not to wait for us any more, whatever it is sending. The destructor may: for pages that are being taken.
  void hang_up();

 private:
  struct Stream {
    std::string name;
    UniqueFd pipe;
    UniqueFd file;             // none: these are pages
    std::vector<char> buffer;  // of which not more than the beginning of a page is left
    std::size_t buffered = 0;
  };

  ImageStreams(int images, UniqueFd listener, PageQueue::Take take_pages)
      : images_(images), listener_(std::move(listener)), pages_(std::make_unique<PageQueue>(std::move(take_pages))) {}
  Result<void> accept_criu();
  Result<void> take_announcement(Deadline deadline);
  Result<bool> take_some(Stream& stream, Deadline deadline);
  Result<bool> take_pages(Stream& stream, Deadline deadline);

  int images_;
  UniqueFd listener_;
  UniqueFd criu_;
  std::unique_ptr<PageQueue> pages_;
  std::list<Stream> streams_;
};

}  // namespace stasis
