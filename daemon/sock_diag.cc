// SPDX-License-Identifier: Apache-2.0
#include "daemon/sock_diag.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::size_t kAnswer = 32768;

// Connected to nothing, if the kernel does not take the question.
UniqueFd ask(std::string_view request, std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + request.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  std::string question(sizeof header, '\0');
  std::memcpy(question.data(), &header, sizeof header);
  question += request;
  UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (netlink && ::send(netlink.get(), question.data(), question.size(), 0) < 0) netlink.reset();
  return netlink;
}

}  // namespace

void each_socket(std::string_view request, const std::function<void(std::string_view)>& visit) {
  const UniqueFd netlink = ask(request, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
  std::array<char, kAnswer> buffer{};
  bool more = static_cast<bool>(netlink);
  while (more) {
    const ssize_t received = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
    if (received <= 0) return;
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(received));
    each_netlink_box(bytes, &nlmsghdr::nlmsg_len, [&](const nlmsghdr& header, std::string_view message) {
      more = header.nlmsg_type == SOCK_DIAG_BY_FAMILY;
      if (more) visit(message);
      return more;
    });
  }
}

bool destroy_socket(std::string_view request) {
  const UniqueFd netlink = ask(request, SOCK_DESTROY, NLM_F_ACK);
  std::array<char, kAnswer> buffer{};
  if (!netlink) return false;
  const ssize_t received = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
  if (received <= 0) return false;
  bool done = false;
  each_netlink_box(std::string_view(buffer.data(), static_cast<std::size_t>(received)), &nlmsghdr::nlmsg_len,
                   [&](const nlmsghdr& header, std::string_view message) {
                     const auto answer = value_at_front<nlmsgerr>(message);
                     done = header.nlmsg_type == NLMSG_ERROR && answer && answer->error == 0;
                     return false;
                   });
  return done;
}

}  // namespace stasis
