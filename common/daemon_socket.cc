// SPDX-License-Identifier: Apache-2.0
#include "common/daemon_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "common/message_socket.h"

namespace stasis {

Result<UniqueFd> connect_to_daemon(const char* path, Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string where = std::string("connect to stasisd at ") + path;
  const std::size_t length = std::strlen(path);
  if (length >= sizeof address.sun_path) return fail(ErrorKind::failed, where + ": path too long");
  std::memcpy(address.sun_path, path, length);

  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail(errno_error("socket", errno));
  while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    // A full queue of a UNIX socket is EAGAIN, and nothing tells when there is room again.
    if (errno == ECONNREFUSED) return fail(ErrorKind::lost, where + ": nobody listens");
    if (errno != EAGAIN && errno != EINTR) return fail(errno_error(where, errno));
    if (deadline.passed()) return fail(ErrorKind::timed_out, where + ": it does not accept");
    ::poll(nullptr, 0, 10);
  }
  STASIS_LET(const PeerCredentials peer, peer_credentials(socket.get()));
  if (peer.uid != 0) return fail(ErrorKind::denied, where + ": whoever listens there is not root");
  return socket;
}

}  // namespace stasis
