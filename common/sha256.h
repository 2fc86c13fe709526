// SPDX-License-Identifier: Apache-2.0
// sha256.h - digests and authentication codes, as lower-case hex where nothing else is said.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace stasis {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(const void* data, std::size_t size);
  // Ends the computation; the object is used up.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::string_view text);
// HMAC-SHA-256.
std::array<std::uint8_t, 32> hmac(std::string_view key, std::string_view text);
std::string hmac_hex(std::string_view key, std::string_view text);
// In time that does not depend on where they differ.
bool same_code(std::string_view a, std::string_view b);

}  // namespace stasis
