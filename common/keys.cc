// SPDX-License-Identifier: Apache-2.0
#include "common/keys.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>

#include "common/read_file.h"
#include "common/sha256.h"

namespace stasis {
namespace {

constexpr std::size_t kSecretBytes = 32;

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  return -1;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() != 2 * kSecretBytes) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

bool valid_id(std::string_view id) {
  return !id.empty() && id.size() <= 64 &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string_view::npos;
}

}  // namespace

Result<Keys> Keys::parse(std::string_view text) {
  Keys keys;
  int number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    const auto blank = line.find(' ');
    const auto id = line.substr(0, blank);
    const auto secret = blank == std::string_view::npos ? std::nullopt : from_hex(line.substr(blank + 1));
    if (!valid_id(id) || !secret) return fail(ErrorKind::corrupt, "line " + std::to_string(number) + " is no key");
    for (const Key& key : keys.keys_) {
      if (key.id == id) return fail(ErrorKind::corrupt, "line " + std::to_string(number) + " repeats a key's id");
    }
    keys.keys_.push_back({std::string(id), *secret});
  }
  if (keys.keys_.empty()) return fail(ErrorKind::corrupt, "there is no key in it");
  return keys;
}

Result<Keys> Keys::load(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    return fail(
        errno_error("key file " + path, errno).context("make one with 'stasis keygen' and copy it to every node"));
  }
  if (status.st_uid != 0 || (status.st_mode & 077) != 0) {
    return fail(ErrorKind::denied, "key file " + path + " must belong to root and be closed to others (chmod 600)");
  }
  STASIS_LET(const std::string text, read_file(path));
  return in_context("key file " + path, parse(text));
}

Result<std::string> Keys::make(const std::string& id) {
  if (!valid_id(id)) return fail(ErrorKind::failed, "a key's id is made of a-z, 0-9 and '-', not '" + id + "'");
  unsigned char secret[kSecretBytes];
  if (::getrandom(secret, sizeof secret, 0) != sizeof secret) return fail(errno_error("getrandom", errno));
  std::string line = id + " ";
  for (const unsigned char byte : secret) {
    line += "0123456789abcdef"[byte >> 4];
    line += "0123456789abcdef"[byte & 15];
  }
  return line + "\n";
}

Keys::Signature Keys::sign(std::string_view text) const {
  const Key& newest = keys_.back();
  return {newest.id, hmac_hex(newest.secret, text)};
}

Result<const Keys::Key*> Keys::find(const std::string& id) const {
  for (const Key& key : keys_) {
    if (key.id == id) return &key;
  }
  return fail(ErrorKind::unsupported, "authenticated with key '" + id + "', which this node does not have");
}

Result<void> Keys::verify(std::string_view text, const Signature& signature) const {
  STASIS_LET(const Key* const key, find(signature.key_id));
  if (same_code(hmac_hex(key->secret, text), signature.code)) return {};
  return fail(ErrorKind::corrupt, "not authentic: its code does not fit key '" + key->id + "'");
}

Result<Keys::Secret> Keys::derive(const std::string& key_id, std::string_view purpose) const {
  STASIS_LET(const Key* const key, find(key_id));
  return hmac(key->secret, purpose);
}

}  // namespace stasis
