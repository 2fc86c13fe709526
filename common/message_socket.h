// SPDX-License-Identifier: Apache-2.0
// message_socket.h - messages and file descriptors over a connected AF_UNIX SOCK_SEQPACKET socket.
//
// Works on blocking and non-blocking sockets alike and never waits past the deadline. The other side is believed in
// nothing: what it is (peer_credentials) comes from the kernel; descriptors it sends are of any kind, and reading
// from one of them may block.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "common/deadline.h"
#include "common/message.h"
#include "common/result.h"
#include "common/unique_fd.h"

namespace stasis {

inline constexpr std::size_t kMaxMessageFds = 8;

struct PeerCredentials {
  pid_t pid = 0;  // in the reader's PID namespace; 0 when the peer is not visible there
  uid_t uid = 0;
  gid_t gid = 0;
};

struct ReceivedMessage {
  Message message;
  std::vector<UniqueFd> fds;              // close-on-exec
  std::optional<PeerCredentials> sender;  // of this very message; after ask_for_senders() only
};

// Sends the message with copies of `fds`, which stay the caller's. All or nothing. No SIGPIPE.
// lost: nobody is there any more. timed_out: the peer does not read.
Result<void> send_message(int socket, const Message& message, std::span<const int> fds, Deadline deadline);
inline Result<void> send_message(int socket, const Message& message, Deadline deadline) {
  return send_message(socket, message, {}, deadline);
}

// The next message. lost: the peer closed the connection. corrupt: what came was malformed, too long or carried too
// many descriptors; all of it is discarded, descriptors closed, and the connection is best closed too.
Result<ReceivedMessage> receive_message(int socket, Deadline deadline);

// From now on each message received says which process sent it: on a socket that several processes share.
Result<void> ask_for_senders(int socket);

// Who connected, as of connect() or socketpair().
Result<PeerCredentials> peer_credentials(int socket);

}  // namespace stasis
