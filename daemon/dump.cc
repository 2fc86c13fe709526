// SPDX-License-Identifier: Apache-2.0
#include "daemon/dump.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "common/criu_log.h"
#include "common/namespaces.h"
#include "common/protocol.h"
#include "daemon/criu_memory.h"
#include "daemon/images_file.h"

namespace stasis {

Result<Dump> Dump::start(const Run& run, const Config& config, const DumpOptions& options, int images, int lock,
                         PageQueue::Take take_pages) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return fail(errno_error("socketpair", errno));
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  const UniqueFd output(::openat(images, "criu.out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!output) return fail(errno_error("create criu.out", errno));
  std::optional<ImageStreams> streams;
  if (options.known.empty()) {
    STASIS_LET(ImageStreams listening, ImageStreams::listen(images, std::move(take_pages)));
    streams.emplace(std::move(listening));
  }
  const Pass pass[] = {{images, kImagesFd}, {theirs.get(), kHookFd}, {lock, kHookFd + 1}};
  STASIS_LET(const pid_t criu,
             spawn_in_capsule(run.init_pidfd, Enter::mounts_and_pids, criu_dump_command(config.criu, options),
                              output.get(), {std::begin(pass), std::end(pass)}));
  return Dump(criu, std::move(ours), images, std::move(streams));
}

Dump::~Dump() {
  if (criu_ > 0) abandon();
}

Result<void> Dump::wait_frozen(Deadline deadline) {
  for (bool frozen = false; !frozen || (streams_ && !streams_->idle());) {
    std::vector<pollfd> waits;
    if (streams_) waits = streams_->waits();
    // Once it has spoken, nothing more is to be heard from the hook.
    waits.push_back({frozen ? -1 : hook_.get(), POLLIN, 0});
    const int ready = ::poll(waits.data(), waits.size(), deadline.poll_timeout());
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return fail(ErrorKind::timed_out, "criu took too long");
    if (streams_) STASIS_TRY(streams_->take(deadline));
    if (waits.back().revents == 0) continue;
    char word = 0;
    if (::read(hook_.get(), &word, 1) == 1 && word == 'F') {
      frozen = true;
      continue;
    }
    // criu has closed its end without ever getting to the hook: it refuses this tree, unless something ended it or the
    // disk did not take what it wrote.
    const int status = reap();
    const std::string reason = why();
    if (criu_was_out_of_space(reason)) return fail(ErrorKind::no_space, reason);
    return fail(WIFEXITED(status) ? ErrorKind::unsupported : ErrorKind::failed, reason);
  }
  if (streams_) return streams_->finish(deadline);
  return {};
}

Result<void> Dump::release() {
  if (::send(hook_.get(), "+", 1, MSG_NOSIGNAL) != 1) {
    reap();
    return fail(ErrorKind::lost, "criu died while the tree was frozen: " + why());
  }
  if (const int status = reap(); status != 0) return fail(ErrorKind::lost, why());
  return {};
}

void Dump::abandon() {
  (void)!::send(hook_.get(), "-", 1, MSG_NOSIGNAL);
  hook_.reset();
  // It may be writing to one of them. They are closed before it is waited for, and gone only after: what keeps them may
  // be a disk that does not answer, and the job is not to wait for that.
  if (streams_) streams_->hang_up();
  reap();
  streams_.reset();
}

std::optional<std::chrono::microseconds> Dump::frozen_time() const {
  const auto statistics = read_images_file(images_, "stats-dump");
  if (!statistics) return std::nullopt;
  const auto time = parse_frozen_time(*statistics);
  return time ? std::optional(*time) : std::nullopt;
}

int Dump::reap() {
  int status = -1;
  while (criu_ > 0 && ::waitpid(criu_, &status, 0) < 0 && errno == EINTR) {
  }
  criu_ = -1;
  return status;
}

std::string Dump::why() const { return explain_criu_log(images_, kDumpLog); }

}  // namespace stasis
