// SPDX-License-Identifier: Apache-2.0
#include "common/node_addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "common/log.h"

namespace stasis {
namespace {

constexpr std::string_view kWord = "address ";
constexpr std::size_t kSix = 4;

// IPv4 in the clothes of IPv6, as a socket of both has it.
constexpr std::size_t kMappedAt = 3;
bool is_mapped(const AddressWords& words) {
  return words.size() == kSix && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
}
AddressWords unmapped(const AddressWords& words) { return is_mapped(words) ? AddressWords{words[kMappedAt]} : words; }

bool is_link_local(const AddressWords& words) {
  return words.size() == kSix && (ntohl(words[0]) & 0xffc00000U) == 0xfe800000U;
}

std::optional<AddressWords> parse_address(const std::string& text) {
  AddressWords words(kSix);
  if (::inet_pton(AF_INET6, text.c_str(), words.data()) == 1) return words;
  words.resize(1);
  if (::inet_pton(AF_INET, text.c_str(), words.data()) == 1) return words;
  return std::nullopt;
}

bool has(const std::vector<NodeAddress>& addresses, const AddressWords& words) {
  return std::any_of(addresses.begin(), addresses.end(), [&](const auto& address) { return address.words == words; });
}

// Interchangeable, as far as one can see.
bool same_kind(const AddressWords& one, const AddressWords& other) {
  return one.size() == other.size() && is_link_local(one) == is_link_local(other);
}

}  // namespace

Result<std::vector<NodeAddress>> own_addresses() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return fail(errno_error("getifaddrs", errno));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owned(list, ::freeifaddrs);
  std::vector<NodeAddress> addresses;
  for (const ifaddrs* at = list; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || (at->ifa_flags & IFF_UP) == 0 || (at->ifa_flags & IFF_LOOPBACK) != 0) continue;
    NodeAddress address{at->ifa_name, {}};
    if (at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in four{};
      std::memcpy(&four, at->ifa_addr, sizeof four);
      address.words = {four.sin_addr.s_addr};
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 six{};
      std::memcpy(&six, at->ifa_addr, sizeof six);
      address.words.resize(kSix);
      std::memcpy(address.words.data(), &six.sin6_addr, sizeof six.sin6_addr);
    } else {
      continue;
    }
    addresses.push_back(std::move(address));
  }
  return addresses;
}

std::string to_string(const AddressWords& words) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (words.size() != 1 && words.size() != kSix) return "?";
  ::inet_ntop(words.size() == 1 ? AF_INET : AF_INET6, words.data(), text.data(), text.size());
  return text.data();
}

std::string write_node_addresses(const std::vector<NodeAddress>& addresses) {
  std::string text;
  for (const auto& address : addresses) {
    text += std::string(kWord) + address.interface + " " + to_string(address.words) + "\n";
  }
  return text;
}

std::vector<NodeAddress> parse_node_addresses(std::string_view text) {
  std::vector<NodeAddress> addresses;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(kWord)) continue;
    line.remove_prefix(kWord.size());
    const auto blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    if (auto words = parse_address(std::string(line.substr(blank + 1)))) {
      addresses.push_back({std::string(line.substr(0, blank)), std::move(*words)});
    }
  }
  return addresses;
}

bool is_loopback(const AddressWords& words) {
  const AddressWords plain = unmapped(words);
  if (plain.size() == 1) return ntohl(plain[0]) >> 24 == 127;
  return plain.size() == kSix && plain[0] == 0 && plain[1] == 0 && plain[2] == 0 && plain[3] == htonl(1);
}

AddressTranslation::AddressTranslation(std::vector<NodeAddress> then, std::vector<NodeAddress> now)
    : then_(std::move(then)), now_(std::move(now)) {}

bool AddressTranslation::is_local(const AddressWords& words) const {
  return is_loopback(words) || has(then_, unmapped(words));
}

// The one of the same interface is the best guess, then any of the same kind: nodes of one partition are alike.
std::optional<NodeAddress> AddressTranslation::translate(const AddressWords& words) const {
  const AddressWords plain = unmapped(words);
  const auto old = std::find_if(then_.begin(), then_.end(), [&](const auto& one) { return one.words == plain; });
  if (old == then_.end() || has(now_, plain)) return std::nullopt;
  const NodeAddress* best = nullptr;
  for (const auto& one : now_) {
    if (!same_kind(one.words, plain)) continue;
    if (best == nullptr || (one.interface == old->interface && best->interface != old->interface)) best = &one;
  }
  if (best == nullptr) return std::nullopt;
  NodeAddress found = *best;
  if (is_mapped(words)) found.words = {0, 0, htonl(0xffff), found.words[0]};
  return found;
}

}  // namespace stasis
