// SPDX-License-Identifier: Apache-2.0
// keys.h - the secret that authenticates checkpoints, the same on every node, readable by root only.
//
// The key file has a line per key, newest last: "ID HEX", ID of [a-z0-9-], HEX of 64 digits. The newest signs, all of
// them verify, so a key is replaced by adding a line everywhere first and removing the old one much later.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace stasis {

class Keys {
 public:
  // corrupt: with the line that is wrong, never with what it says.
  static Result<Keys> parse(std::string_view text);
  // denied: others than root may read or write the file.
  static Result<Keys> load(const std::string& path);
  // A new line for a key file, from the kernel's random numbers.
  static Result<std::string> make(const std::string& id);

  // The id of the one that signs.
  const std::string& newest() const { return keys_.back().id; }

  struct Signature {
    std::string key_id;
    std::string code;
  };
  Signature sign(std::string_view text) const;
  // unsupported: signed with a key that is not here. corrupt: not signed with that key.
  Result<void> verify(std::string_view text, const Signature& signature) const;
  // A secret for `purpose` alone, which tells nothing of the key or of other secrets. No text that is signed begins as
  // a purpose does. unsupported: that key is not here.
  using Secret = std::array<std::uint8_t, 32>;
  Result<Secret> derive(const std::string& key_id, std::string_view purpose) const;

 private:
  struct Key {
    std::string id, secret;
  };
  Result<const Key*> find(const std::string& id) const;

  std::vector<Key> keys_;
};

}  // namespace stasis
