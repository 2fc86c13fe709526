// SPDX-License-Identifier: Apache-2.0
// dump.h - one criu dump under way: started, frozen, released. The images are in a node-local directory, but for those
// of pages, which are handed on, unless some of the memory is known already.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "common/criu_command.h"
#include "common/deadline.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "daemon/image_streams.h"
#include "daemon/run.h"

namespace stasis {

class Dump {
 public:
  // Starts criu on the run's tree. `lock` is inherited by it.
  static Result<Dump> start(const Run& run, const Config& config, const DumpOptions& options, int images, int lock,
                            PageQueue::Take take_pages);

  Dump(Dump&& other) noexcept
      : criu_(std::exchange(other.criu_, -1)),
        hook_(std::move(other.hook_)),
        images_(other.images_),
        streams_(std::move(other.streams_)) {}
  Dump& operator=(Dump&&) = delete;
  // What was not released runs on: criu's hook sees its line closed.
  ~Dump();

  // Returns when the images are written and the tree stands still, all traces of criu in it gone. The error says why
  // criu gave up; the tree runs.
  Result<void> wait_frozen(Deadline deadline);

  // Ends it as started: the tree runs on, or is ended. Fails when criu did not finish; then the tree runs.
  Result<void> release();
  // The tree runs on in any case.
  void abandon();
  // How long the tree stood still, as criu has counted it. After release().
  std::optional<std::chrono::microseconds> frozen_time() const;

 private:
  Dump(pid_t criu, UniqueFd hook, int images, std::optional<ImageStreams> streams)
      : criu_(criu), hook_(std::move(hook)), images_(images), streams_(std::move(streams)) {}
  int reap();
  std::string why() const;

  pid_t criu_;
  UniqueFd hook_;
  int images_;
  std::optional<ImageStreams> streams_;  // none: criu writes files
};

}  // namespace stasis
