// SPDX-License-Identifier: Apache-2.0
#include "common/message.h"

#include <algorithm>
#include <charconv>

namespace stasis {
namespace {

constexpr std::string_view kMagic = "stasis1";

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

// Takes one NUL-terminated string off the front; nullopt when no NUL is left.
std::optional<std::string_view> take_string(std::string_view& bytes) {
  const auto end = bytes.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view text = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return text;
}

Failure malformed(const std::string& why) { return fail(ErrorKind::corrupt, "malformed message: " + why); }

}  // namespace

Message& Message::add(std::string_view key, std::string_view value) & {
  fields_.emplace_back(key, value);
  return *this;
}
Message& Message::add(std::string_view key, std::int64_t value) & { return add(key, std::to_string(value)); }
Message&& Message::add(std::string_view key, std::string_view value) && { return std::move(add(key, value)); }
Message&& Message::add(std::string_view key, std::int64_t value) && { return std::move(add(key, value)); }

std::optional<std::string_view> Message::get(std::string_view key) const {
  for (const auto& [name, value] : fields_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Message::get_all(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const auto& [name, value] : fields_) {
    if (name == key) values.emplace_back(value);
  }
  return values;
}

Result<std::int64_t> Message::get_int(std::string_view key, std::int64_t min, std::int64_t max) const {
  const auto text = get(key);
  if (!text) return fail(ErrorKind::not_found, "message '" + verb_ + "' has no field '" + std::string(key) + "'");
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < min || value > max) {
    return malformed("field '" + std::string(key) + "' of '" + verb_ + "' is no number from " + std::to_string(min) +
                     " to " + std::to_string(max));
  }
  return value;
}

Result<std::string> Message::encode() const {
  if (!is_name(verb_)) return malformed("bad verb");
  if (fields_.size() > kMaxMessageFields)
    return malformed("more than " + std::to_string(kMaxMessageFields) + " fields");
  std::string datagram(kMagic);
  datagram += '\0';
  datagram += verb_;
  datagram += '\0';
  for (const auto& [key, value] : fields_) {
    if (!is_name(key)) return malformed("bad key");
    if (value.find('\0') != std::string::npos) return malformed("NUL in the value of '" + key + "'");
    datagram += key;
    datagram += '=';
    datagram += value;
    datagram += '\0';
  }
  if (datagram.size() > kMaxMessageBytes) return malformed("more than " + std::to_string(kMaxMessageBytes) + " bytes");
  return datagram;
}

Result<Message> Message::decode(std::string_view datagram) {
  if (datagram.size() > kMaxMessageBytes) return malformed("too long");
  const auto magic = take_string(datagram);
  if (!magic) return malformed("no magic");
  if (*magic != kMagic) {
    if (magic->starts_with("stasis")) return fail(ErrorKind::unsupported, "message of another version of Stasis");
    return malformed("no magic");
  }
  const auto verb = take_string(datagram);
  if (!verb || !is_name(*verb)) return malformed("bad verb");

  Message message{std::string(*verb)};
  while (!datagram.empty()) {
    const auto field = take_string(datagram);
    if (!field) return malformed("cut off");
    const auto equals = field->find('=');
    if (equals == std::string_view::npos || !is_name(field->substr(0, equals))) return malformed("bad key");
    if (message.fields_.size() == kMaxMessageFields) return malformed("too many fields");
    message.add(field->substr(0, equals), field->substr(equals + 1));
  }
  return message;
}

}  // namespace stasis
