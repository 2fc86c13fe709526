// SPDX-License-Identifier: Apache-2.0
// connections.h - which sockets of a job are connected to something that is not of the job.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace stasis {

struct Connection {
  ino_t inode = 0;
  std::string peer;    // "10.0.0.7:5432", "[fe80::1]:22", or the path of a Unix socket
  bool local = false;  // a Unix socket: of a stream, or with sequential packets
};

// `inodes`: the job's sockets. `pid`: a process in their network namespace. What cannot be found out is not in it.
std::vector<Connection> connections_outside(pid_t pid, const std::vector<ino_t>& inodes);

// The lines of /proc/net/tcp or tcp6: established ones of `inodes` whose other end is not among them.
std::vector<Connection> parse_net_tcp(std::string_view text, const std::vector<ino_t>& inodes);

}  // namespace stasis
