// SPDX-License-Identifier: Apache-2.0
// sock_diag.h - the kernel's word on the sockets of this network namespace (sock_diag(7)).
#pragma once

#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>

namespace stasis {

// Netlink's boxes: a length, a type, what is in it, and padding up to the next multiple of four.
template <class Header, class Length, class Visit>
void each_netlink_box(std::string_view bytes, Length Header::*length, Visit visit) {
  while (bytes.size() >= sizeof(Header)) {
    Header header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    const std::size_t size = header.*length;
    if (size < sizeof header || size > bytes.size()) return;
    if (!visit(header, bytes.substr(sizeof header, size - sizeof header))) return;
    bytes.remove_prefix(std::min(bytes.size(), (size + 3) & ~std::size_t{3}));
  }
}

template <class Value>
std::optional<Value> value_at_front(std::string_view bytes) {
  if (bytes.size() < sizeof(Value)) return std::nullopt;
  Value value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// What the kernel answers to a request of one of its families, inet_diag_req_v2 or unix_diag_req: a message per socket.
// What cannot be had is not there.
void each_socket(std::string_view request, const std::function<void(std::string_view message)>& visit);

// Ends the socket that an inet_diag_req_v2 names, and tells whether the kernel did it: some are built without that, and
// old ones cannot for a connection that has been closed.
bool destroy_socket(std::string_view request);

}  // namespace stasis
