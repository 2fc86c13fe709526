// SPDX-License-Identifier: Apache-2.0
// message.h - what our programs say to each other: a verb and ordered key=value fields, one message per datagram.
//
//   stasis1 NUL verb NUL key=value NUL key=value NUL ... NUL
//
// Chosen over JSON or protobuf because the plugin and the static programs of the capsule speak it without a library,
// and because a reader cannot get it wrong: no lengths, no nesting, no escapes. Rules, checked on both sides:
//   - verb and keys are [a-z_]+, at most 64 bytes; values are any bytes but NUL, empty ones too;
//   - at most 256 fields and 64 KiB in all; what is larger travels as a file descriptor;
//   - a key may come more than once (argv); order is kept;
//   - fields a reader does not know are ignored, so that fields can be added; a change of meaning is a new verb, a
//     change of this grammar is "stasis2", which is refused as ErrorKind::unsupported.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/result.h"

namespace stasis {

inline constexpr std::size_t kMaxMessageBytes = std::size_t{64} * 1024;
inline constexpr std::size_t kMaxMessageFields = 256;
inline constexpr std::size_t kMaxNameBytes = 64;

class Message {
 public:
  explicit Message(std::string verb) : verb_(std::move(verb)) {}

  // Returns *this, so that a message is built in one expression. What breaks the rules shows up in encode().
  Message& add(std::string_view key, std::string_view value) &;
  Message& add(std::string_view key, std::int64_t value) &;
  Message&& add(std::string_view key, std::string_view value) &&;
  Message&& add(std::string_view key, std::int64_t value) &&;

  const std::string& verb() const { return verb_; }
  bool has(std::string_view key) const { return get(key).has_value(); }

  // The first value of that key. The view lives as long as this message, unchanged.
  std::optional<std::string_view> get(std::string_view key) const;
  // Every value of that key, in order.
  std::vector<std::string_view> get_all(std::string_view key) const;
  // The first value as a decimal number of that range. not_found: no such field. corrupt: anything else.
  Result<std::int64_t> get_int(std::string_view key, std::int64_t min, std::int64_t max) const;

  // The datagram. Fails when the rules are broken, which a sender must expect of values that came from a user.
  Result<std::string> encode() const;
  // Accepts exactly what encode() can produce; any other bytes are ErrorKind::corrupt.
  static Result<Message> decode(std::string_view datagram);

  friend bool operator==(const Message&, const Message&) = default;

 private:
  std::string verb_;
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace stasis
