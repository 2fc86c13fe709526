// SPDX-License-Identifier: Apache-2.0
#include "daemon/closed_connections.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <string_view>

#include "common/criu_files.pb.h"
#include "common/criu_image.h"
#include "daemon/images_file.h"
#include "daemon/sock_diag.h"

namespace stasis {
namespace {

constexpr char kFiles[] = "files.img";

// "::ffff:10.0.0.7" is 10.0.0.7, and "::" is at all addresses of both kinds, as 0.0.0.0 is.
AddressWords plain(AddressWords words) {
  if (std::all_of(words.begin(), words.end(), [](auto word) { return word == 0; })) return {};
  if (words.size() == 4 && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff)) return {words[3]};
  return words;
}

std::string_view bytes_of(const inet_diag_req_v2& request) {
  return {reinterpret_cast<const char*>(&request), sizeof request};
}

}  // namespace

bool Port::meets(const Port& other) const {
  const AddressWords mine = plain(address);
  const AddressWords theirs = plain(other.address);
  return number == other.number && (mine.empty() || theirs.empty() || mine == theirs);
}

int end_closed_connections(const std::vector<Port>& ports) {
  if (ports.empty()) return 0;
  std::vector<inet_diag_req_v2> found;
  for (const int family : {AF_INET, AF_INET6}) {
    inet_diag_req_v2 request{};
    request.sdiag_family = static_cast<std::uint8_t>(family);
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = 1U << TCP_TIME_WAIT | 1U << TCP_FIN_WAIT2;
    each_socket(bytes_of(request), [&](std::string_view message) {
      const auto socket = value_at_front<inet_diag_msg>(message);
      // One with an inode has a program that reads from it.
      if (!socket || socket->idiag_inode != 0) return;
      const auto* words = std::begin(socket->id.idiag_src);
      const Port port{{words, words + (family == AF_INET ? 1 : 4)}, ntohs(socket->id.idiag_sport)};
      if (std::none_of(ports.begin(), ports.end(), [&](const Port& wanted) { return wanted.meets(port); })) return;
      request.id = socket->id;
      found.push_back(request);
    });
  }
  return static_cast<int>(std::count_if(
      found.begin(), found.end(), [](const inet_diag_req_v2& closed) { return destroy_socket(bytes_of(closed)); }));
}

Result<int> end_closed_connections(int images) {
  STASIS_LET(const std::string image, read_images_file(images, kFiles));
  STASIS_LET(const auto entries, read_criu_image(image, kCriuFilesMagic));
  std::vector<Port> ports;
  for (const auto& entry : entries) {
    criu::File file;
    if (!file.ParseFromString(entry)) return fail(ErrorKind::corrupt, "files.img: an entry that is none");
    if (!file.has_isk() || file.isk().proto() != IPPROTO_TCP || file.isk().src_port() == 0) continue;
    const auto& address = file.isk().src_addr();
    ports.push_back({{address.begin(), address.end()}, file.isk().src_port()});
  }
  return end_closed_connections(ports);
}

}  // namespace stasis
