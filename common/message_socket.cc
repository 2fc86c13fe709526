// SPDX-License-Identifier: Apache-2.0
#include "common/message_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace stasis {
namespace {

// The control data of one message with the most descriptors allowed, aligned as the kernel wants it.
union ControlBuffer {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int) * kMaxMessageFds) + CMSG_SPACE(sizeof(ucred))];
};

Result<void> wait_for(int socket, short events, const Deadline& deadline) {
  for (;;) {
    pollfd watched{socket, events, 0};
    const int ready = ::poll(&watched, 1, deadline.poll_timeout());
    if (ready > 0) return {};  // also for POLLHUP and POLLERR: the call that follows says what it is
    if (ready < 0 && errno != EINTR) return fail(errno_error("poll", errno));
    if (deadline.passed())
      return fail(ErrorKind::timed_out, events == POLLIN ? "no message came in time" : "peer does not read");
  }
}

bool is_hangup(int error_number) {
  return error_number == EPIPE || error_number == ECONNRESET || error_number == ENOTCONN;
}

Failure socket_failure(const char* what, int error_number) {
  if (is_hangup(error_number)) return fail(ErrorKind::lost, "connection closed by the peer");
  return fail(errno_error(what, error_number));
}

// Every descriptor the kernel has put into our table, so that none stays open whatever is wrong with the message.
std::vector<UniqueFd> collect_fds(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

// The kernel's word on who sent this, there if the socket has SO_PASSCRED.
std::optional<PeerCredentials> find_sender(msghdr& header) {
  for (cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr; control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_CREDENTIALS) continue;
    ucred credentials{};
    std::memcpy(&credentials, CMSG_DATA(control), sizeof credentials);
    return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
  }
  return std::nullopt;
}

}  // namespace

Result<void> send_message(int socket, const Message& message, std::span<const int> fds, Deadline deadline) {
  STASIS_LET(std::string datagram, message.encode());
  if (fds.size() > kMaxMessageFds) return fail(ErrorKind::failed, "too many descriptors for one message");

  iovec part{datagram.data(), datagram.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  ControlBuffer control{};
  if (!fds.empty()) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return socket_failure("send message", errno);
    STASIS_TRY(wait_for(socket, POLLOUT, deadline));
  }
}

Result<ReceivedMessage> receive_message(int socket, Deadline deadline) {
  std::string datagram(kMaxMessageBytes, '\0');
  for (;;) {
    iovec part{datagram.data(), datagram.size()};
    ControlBuffer control{};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return socket_failure("receive message", errno);
      STASIS_TRY(wait_for(socket, POLLIN, deadline));
      continue;
    }
    std::vector<UniqueFd> fds = collect_fds(header);
    // An empty datagram looks the same as the end of the connection, and is as good as that.
    if (size == 0) return fail(ErrorKind::lost, "connection closed by the peer");
    if ((header.msg_flags & MSG_TRUNC) != 0) return fail(ErrorKind::corrupt, "malformed message: too long");
    // Room for the sender's credentials is room for more descriptors, if there are none: both checks are needed.
    if ((header.msg_flags & MSG_CTRUNC) != 0 || fds.size() > kMaxMessageFds) {
      return fail(ErrorKind::corrupt, "malformed message: too many descriptors");
    }
    STASIS_LET(Message message, Message::decode({datagram.data(), static_cast<std::size_t>(size)}));
    return ReceivedMessage{std::move(message), std::move(fds), find_sender(header)};
  }
}

Result<void> ask_for_senders(int socket) {
  const int on = 1;
  if (::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    return fail(errno_error("set SO_PASSCRED", errno));
  }
  return {};
}

Result<PeerCredentials> peer_credentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return fail(errno_error("read the peer's credentials", errno));
  }
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace stasis
