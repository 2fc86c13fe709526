// SPDX-License-Identifier: Apache-2.0
#include "daemon/connections.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <sstream>

#include "common/read_file.h"
#include "daemon/sock_diag.h"

namespace stasis {
namespace {

constexpr std::string_view kEstablished = "01";
constexpr std::size_t kNetTcpAtMost = 64 << 20;

// "0100007F:1F90": an address as the kernel has it in memory, in words of this machine's order, and a port.
std::string readable(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return std::string(text);
  std::array<std::uint32_t, 4> words{};
  for (std::size_t i = 0; i < colon / 8; ++i) {
    std::from_chars(text.data() + 8 * i, text.data() + 8 * i + 8, words[i], 16);
  }
  unsigned port = 0;
  std::from_chars(text.data() + colon + 1, text.data() + text.size(), port, 16);
  char address[INET6_ADDRSTRLEN] = "";
  const bool six = colon == 32;
  ::inet_ntop(six ? AF_INET6 : AF_INET, words.data(), address, sizeof address);
  return (six ? "[" + std::string(address) + "]" : std::string(address)) + ":" + std::to_string(port);
}

struct UnixSocket {
  ino_t peer = 0;
  std::string name;
  bool connected = false;  // and not of datagrams
};

UnixSocket unix_socket_of(const unix_diag_msg& answer, std::string_view attributes) {
  UnixSocket socket;
  socket.connected = answer.udiag_type != SOCK_DGRAM;
  each_netlink_box(attributes, &rtattr::rta_len, [&](const rtattr& attribute, std::string_view value) {
    if (attribute.rta_type == UNIX_DIAG_PEER) {
      socket.peer = value_at_front<std::uint32_t>(value).value_or(0);
    } else if (attribute.rta_type == UNIX_DIAG_NAME) {
      socket.name = value;
      // An abstract name begins with a NUL character, a path may end with one.
      if (!socket.name.empty() && socket.name.front() == '\0') socket.name.front() = '@';
      socket.name = socket.name.substr(0, socket.name.find('\0'));
    }
    return true;
  });
  return socket;
}

// Every Unix socket of this network namespace.
std::map<ino_t, UnixSocket> unix_sockets() {
  std::map<ino_t, UnixSocket> found;
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = ~0U;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER;
  each_socket({reinterpret_cast<const char*>(&request), sizeof request}, [&](std::string_view message) {
    const auto answer = value_at_front<unix_diag_msg>(message);
    if (answer) found[answer->udiag_ino] = unix_socket_of(*answer, message.substr(sizeof *answer));
  });
  return found;
}

}  // namespace

std::vector<Connection> parse_net_tcp(std::string_view text, const std::vector<ino_t>& inodes) {
  struct End {
    std::string local, remote;
    ino_t inode;
  };
  std::vector<End> ends;
  const std::set<ino_t> mine(inodes.begin(), inodes.end());
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);  // the names of the columns
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits;
    unsigned long uid = 0;
    unsigned long timeout = 0;
    ino_t inode = 0;
    words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> uid >> timeout >> inode;
    if (words && state == kEstablished && mine.count(inode) > 0) ends.push_back({local, remote, inode});
  }
  std::vector<Connection> outside;
  for (const auto& end : ends) {
    const bool within = std::any_of(ends.begin(), ends.end(), [&](const auto& other) {
      return other.local == end.remote && other.remote == end.local;
    });
    if (!within) outside.push_back({end.inode, readable(end.remote), false});
  }
  return outside;
}

std::vector<Connection> connections_outside(pid_t pid, const std::vector<ino_t>& inodes) {
  std::vector<Connection> outside;
  if (inodes.empty()) return outside;
  for (const char* file : {"tcp", "tcp6"}) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/net/" + file, kNetTcpAtMost);
    if (!text) continue;
    auto found = parse_net_tcp(*text, inodes);
    outside.insert(outside.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  const auto sockets = unix_sockets();
  const std::set<ino_t> mine(inodes.begin(), inodes.end());
  for (const ino_t inode : mine) {
    const auto socket = sockets.find(inode);
    if (socket == sockets.end() || !socket->second.connected || socket->second.peer == 0) continue;
    if (mine.count(socket->second.peer) > 0) continue;
    const auto peer = sockets.find(socket->second.peer);
    std::string name = peer == sockets.end() ? "" : peer->second.name;
    if (name.empty()) name = "a Unix socket without a name";
    outside.push_back({inode, std::move(name), true});
  }
  return outside;
}

}  // namespace stasis
