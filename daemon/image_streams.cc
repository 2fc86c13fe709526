// SPDX-License-Identifier: Apache-2.0
#include "daemon/image_streams.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "common/criu_pages.pb.h"
#include "common/page_index.h"

namespace stasis {
namespace {

constexpr char kSocket[] = "streamer-capture.sock";
constexpr std::uint32_t kLongestAnnouncement = 4096;
// Criu collects 8 MiB of references, then passes them on: with room for all of them it collects the next while these
// are taken. Who may not exceed fs.pipe-max-size has what that is by default.
constexpr int kPagesPipe = 1 << 24;
constexpr int kPipeForAnyone = 1 << 20;
constexpr std::size_t kAtOnce = 1 << 18;

// Criu writes each announcement in a go: once the first byte is there, the rest is.
Result<void> read_exactly(int socket, void* into, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::recv(socket, static_cast<char*>(into) + done, size - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(errno_error("hear of an image", got == 0 ? EPIPE : errno));
    done += static_cast<std::size_t>(got);
  }
  return {};
}

Result<UniqueFd> receive_descriptor(int socket) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const header = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return fail(ErrorKind::lost, "criu sent an image without a pipe");
  }
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return UniqueFd(descriptor);
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

Result<ImageStreams> ImageStreams::listen(int images, PageQueue::Take take_pages) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail(errno_error("socket", errno));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path of the directory itself may be longer than such an address.
  (void)std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", images, kSocket);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return fail(errno_error("listen for images", errno));
  }
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
  UniqueFd criu(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!criu && (errno == EAGAIN || errno == EINTR)) return {};
  if (!criu) return fail(errno_error("accept criu's images", errno));
  criu_ = std::move(criu);
  listener_.reset();
  (void)::unlinkat(images_, kSocket, 0);
  return {};
}

Result<void> ImageStreams::take_announcement(Deadline deadline) {
  std::uint32_t size = 0;
  char first = 0;
  if (::recv(criu_.get(), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
    criu_.reset();
    return {};
  }
  STASIS_TRY(read_exactly(criu_.get(), &size, sizeof size));
  if (size > kLongestAnnouncement) return fail(ErrorKind::lost, "criu announced an image in too many words");
  std::string bytes(size, '\0');
  STASIS_TRY(read_exactly(criu_.get(), bytes.data(), size));
  criu::StreamedImage image;
  if (!image.ParseFromString(bytes) || !is_plain_name(image.filename())) {
    return fail(ErrorKind::lost, "criu announced an image without a name");
  }
  Stream stream;
  stream.name = image.filename();
  STASIS_LET(stream.pipe, receive_descriptor(criu_.get()));
  (void)::fcntl(stream.pipe.get(), F_SETFL, O_NONBLOCK);
  if (stream.name.starts_with("pages-")) {
    if (::fcntl(stream.pipe.get(), F_SETPIPE_SZ, kPagesPipe) < 0) {
      (void)::fcntl(stream.pipe.get(), F_SETPIPE_SZ, kPipeForAnyone);
    }
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
