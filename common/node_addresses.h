// SPDX-License-Identifier: Apache-2.0
// node_addresses.h - the network addresses of a node, and which of another node's stands for which.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace stasis {

// IPv4 in one word, IPv6 in four, each as it is in memory: so does CRIU keep them, and so does the kernel.
using AddressWords = std::vector<std::uint32_t>;

struct NodeAddress {
  std::string interface;
  AddressWords words;

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

// Of all interfaces that are up, but loopback, in the kernel's order.
Result<std::vector<NodeAddress>> own_addresses();

// "address eth0 10.0.0.7" a line. What is no such line is passed over: later versions may have more to say of a node.
std::string write_node_addresses(const std::vector<NodeAddress>& addresses);
std::vector<NodeAddress> parse_node_addresses(std::string_view text);

// "10.0.0.7", "fe80::1".
std::string to_string(const AddressWords& words);
bool is_loopback(const AddressWords& words);

// From the node on which a checkpoint was made to the one on which it is restored.
class AddressTranslation {
 public:
  AddressTranslation(std::vector<NodeAddress> then, std::vector<NodeAddress> now);

  // The other end of a connection to it is on the same node.
  bool is_local(const AddressWords& words) const;
  // What stands for an address of the old node that this one has not; nullopt: nothing does, or nothing has to.
  std::optional<NodeAddress> translate(const AddressWords& words) const;

 private:
  std::vector<NodeAddress> then_;
  std::vector<NodeAddress> now_;
};

}  // namespace stasis
