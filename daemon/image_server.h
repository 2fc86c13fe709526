// SPDX-License-Identifier: Apache-2.0
// image_server.h - hands the images of a restore to `criu restore --stream`, a pipe for each: those of memory while
// they are still being fetched, so that criu maps what is there already.
//
// It takes the images of memory from segments (common/image_segments.h), so each can be had once.
//
// Criu never gets a page that was not verified: an image whose fetching fails ends too early, and the restore with it.
#pragma once

#include <sys/types.h>

#include <list>
#include <set>
#include <string>
#include <thread>

#include "common/image_progress.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

class ImageServer {
 public:
  // Listens where criu will look for it. The directory and `progress` outlive this.
  static Result<ImageServer> listen(int images, ImageProgress& progress);
  ImageServer(ImageServer&&) = default;
  ImageServer& operator=(ImageServer&&) = delete;
  // Waits for what is being handed over: `progress` must come to an end.
  ~ImageServer();

  // Until criu wants nothing more, or `over`, a pidfd, says that the capsule has ended. After a failure criu is hung up
  // on, and its restore fails.
  Result<void> serve(int over);

 private:
  ImageServer(int images, UniqueFd listener, ImageProgress& progress)
      : images_(images), listener_(std::move(listener)), progress_(&progress) {}
  Result<bool> answer(int criu);
  Result<void> answer_for_memory(int criu, const std::string& name);
  Result<void> hand_over_memory(const std::string& name, int pipe);
  template <class Work>
  void in_background(UniqueFd pipe, Work work);

  int images_;
  UniqueFd listener_;
  ImageProgress* progress_;
  std::set<std::string> had_;       // of memory
  std::list<std::thread> threads_;  // one for each image that was opened
};

}  // namespace stasis
