// SPDX-License-Identifier: Apache-2.0
#include "daemon/image_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/memory_range.h"
#include "daemon/criu_line.h"

namespace stasis {
namespace {

constexpr std::size_t kAtOnce = 1 << 18;

}  // namespace

Result<ImageStreams> ImageStreams::listen(int images, PageQueue::Take take_pages) {
  STASIS_LET(UniqueFd listener, listen_for_criu(images, kDumpSocket));
  return ImageStreams(images, std::move(listener), std::move(take_pages));
}

std::vector<pollfd> ImageStreams::waits() const {
  std::vector<pollfd> waits;
  if (listener_) waits.push_back({listener_.get(), POLLIN, 0});
  if (criu_) waits.push_back({criu_.get(), POLLIN, 0});
  for (const auto& stream : streams_) waits.push_back({stream.pipe.get(), POLLIN, 0});
  return waits;
}

bool ImageStreams::idle() const {
  if (!streams_.empty()) return false;
  pollfd line{criu_.get(), POLLIN, 0};
  return ::poll(&line, 1, 0) == 0 || (line.revents & POLLIN) == 0;
}

Result<void> ImageStreams::accept_criu() {
  STASIS_LET(UniqueFd criu, stasis::accept_criu(listener_.get()));
  if (!criu) return {};
  criu_ = std::move(criu);
  listener_.reset();
  (void)::unlinkat(images_, kDumpSocket, 0);
  return {};
}

Result<void> ImageStreams::take_announcement(Deadline deadline) {
  STASIS_LET(auto name, hear_of_image(criu_.get()));
  if (!name) {
    criu_.reset();
    return {};
  }
  Stream stream;
  stream.name = std::move(*name);
  STASIS_LET(stream.pipe, receive_pipe(criu_.get()));
  (void)::fcntl(stream.pipe.get(), F_SETFL, O_NONBLOCK);
  if (stream.name.starts_with("pages-")) {
    widen(stream.pipe.get());
    stream.buffer = pages_->buffer();
    STASIS_TRY(pages_->put(stream.name, {}, 0, deadline));
  } else {
    stream.file =
        UniqueFd(::openat(images_, stream.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!stream.file) return fail(errno_error("create " + stream.name, errno));
  }
  streams_.push_back(std::move(stream));
  return {};
}

// false: it has ended.
Result<bool> ImageStreams::take_some(Stream& stream, Deadline deadline) {
  if (!stream.file) return take_pages(stream, deadline);
  const ssize_t moved = ::splice(stream.pipe.get(), nullptr, stream.file.get(), nullptr, kAtOnce, SPLICE_F_NONBLOCK);
  if (moved < 0 && errno != EAGAIN && errno != EINTR) return fail(errno_error("write " + stream.name, errno));
  return moved != 0;
}

Result<bool> ImageStreams::take_pages(Stream& stream, Deadline deadline) {
  char* const data = stream.buffer.data();
  const ssize_t got = ::read(stream.pipe.get(), data + stream.buffered, stream.buffer.size() - stream.buffered);
  if (got < 0 && errno != EAGAIN && errno != EINTR) return fail(errno_error("read " + stream.name, errno));
  if (got < 0) return true;
  if (got == 0 && stream.buffered != 0) return fail(ErrorKind::lost, stream.name + " is not made of whole pages");
  stream.buffered += static_cast<std::size_t>(got);
  const std::size_t pages = stream.buffered / kPageSize;
  if (pages == 0) return got != 0;
  stream.buffered %= kPageSize;
  std::vector<char> next = pages_->buffer();
  std::memcpy(next.data(), data + pages * kPageSize, stream.buffered);
  STASIS_TRY(pages_->put(stream.name, std::exchange(stream.buffer, std::move(next)), pages, deadline));
  return true;
}

Result<void> ImageStreams::take(Deadline deadline) {
  auto waits = this->waits();
  if (::poll(waits.data(), waits.size(), 0) < 0 && errno != EINTR) return fail(errno_error("poll", errno));
  auto ready = waits.begin();
  const auto next_is_ready = [&] { return (ready++)->revents != 0; };
  const bool knocking = listener_ && next_is_ready();
  const bool announcing = criu_ && next_is_ready();
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    bool more = true;
    if (next_is_ready()) {
      STASIS_LET(more, take_some(*stream, deadline));
    }
    stream = more ? std::next(stream) : streams_.erase(stream);
  }
  if (knocking) return accept_criu();
  if (announcing) return take_announcement(deadline);
  return {};
}

void ImageStreams::hang_up() {
  streams_.clear();
  criu_.reset();
  listener_.reset();
}

}  // namespace stasis
