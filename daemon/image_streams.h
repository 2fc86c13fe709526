// SPDX-License-Identifier: Apache-2.0
// image_streams.h - takes the images that `criu dump --stream` sends, a pipe for each, and writes them to the directory
// `images` as criu itself would have: all but the pages of processes. Those it throws away.
//
// Criu passes references to the pages through its pipes, and still writes to some of them for a moment afterwards. So they are
// read from the processes when criu has let go of them and they still stand still (job_memory.h). Throwing references away costs
// nothing; a file would have been a copy.
#pragma once

#include <poll.h>

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

class ImageStreams {
 public:
  // Where criu will look for it. The directory outlives this.
  static Result<ImageStreams> listen(int images);

  // What to wait for, in any order.
  std::vector<pollfd> waits() const;
  // Takes all that is there, without waiting.
  Result<void> take();
  // Every image that was announced has come to its end.
  bool idle() const;

  // The images that were thrown away, and how many bytes each would have.
  const std::map<std::string, std::uint64_t>& thrown_away() const { return thrown_away_; }

 private:
  struct Stream {
    std::string name;
    UniqueFd pipe;
    UniqueFd file;
    bool thrown_away = false;
  };

  ImageStreams(int images, UniqueFd listener, UniqueFd nowhere)
      : images_(images), listener_(std::move(listener)), nowhere_(std::move(nowhere)) {}
  Result<void> accept_criu();
  Result<void> take_announcement();
  Result<bool> take_some(Stream& stream);

  int images_;
  UniqueFd listener_;
  UniqueFd criu_;
  UniqueFd nowhere_;
  std::list<Stream> streams_;
  std::string announced_;  // the last one
  std::map<std::string, std::uint64_t> thrown_away_;
};

}  // namespace stasis
