// SPDX-License-Identifier: Apache-2.0
#include "daemon/criu_line.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/criu_pages.pb.h"

namespace stasis {
namespace {

constexpr std::uint32_t kLongestMessage = 4096;

// Criu collects 8 MiB of references when it dumps, then passes them on: with room for all of them it collects the next
// while these are taken. Who may not exceed fs.pipe-max-size has what that is by default.
constexpr int kWidePipe = 1 << 24;
constexpr int kPipeForAnyone = 1 << 20;

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

bool is_plain_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

}  // namespace

Result<UniqueFd> listen_for_criu(int images, const char* name) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener) return fail(errno_error("socket", errno));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A path of the directory itself may be longer than such an address.
  (void)std::snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", images, name);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 1) != 0) {
    return fail(errno_error("listen for criu", errno));
  }
  return listener;
}

Result<UniqueFd> accept_criu(int listener) {
  UniqueFd criu(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!criu && errno != EAGAIN && errno != EINTR) return fail(errno_error("accept criu", errno));
  return criu;
}

Result<std::optional<std::string>> hear_of_image(int criu) {
  std::uint32_t size = 0;
  char first = 0;
  if (::recv(criu, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 0) return std::nullopt;
  STASIS_TRY(read_exactly(criu, &size, sizeof size));
  if (size > kLongestMessage) return fail(ErrorKind::lost, "criu spoke of an image in too many words");
  std::string bytes(size, '\0');
  STASIS_TRY(read_exactly(criu, bytes.data(), size));
  criu::StreamedImage image;
  if (!image.ParseFromString(bytes) || !is_plain_name(image.filename())) {
    return fail(ErrorKind::lost, "criu spoke of an image without a name");
  }
  return image.filename();
}

void widen(int pipe) {
  if (::fcntl(pipe, F_SETPIPE_SZ, kWidePipe) < 0) (void)::fcntl(pipe, F_SETPIPE_SZ, kPipeForAnyone);
}

Result<UniqueFd> receive_pipe(int criu) {
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
    got = ::recvmsg(criu, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const cmsghdr* const header = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int))) {
    return fail(ErrorKind::lost, "criu sent an image without a pipe");
  }
  int descriptor = -1;
  std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
  return UniqueFd(descriptor);
}

Result<void> answer_criu(int criu, bool exists) {
  criu::StreamedImageAnswer answer;
  answer.set_exists(exists);
  const std::string text = answer.SerializeAsString();
  const auto size = static_cast<std::uint32_t>(text.size());
  std::string bytes(reinterpret_cast<const char*>(&size), sizeof size);
  bytes += text;
  if (::send(criu, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
    return fail(errno_error("answer criu", errno));
  }
  return {};
}

}  // namespace stasis
