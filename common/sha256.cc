// SPDX-License-Identifier: Apache-2.0
#include "common/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdexcept>

namespace stasis {
namespace {

std::string to_hex(const unsigned char* bytes, std::size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

// libcrypto fails here only when it is broken or out of memory: nothing a caller could handle.
void check(bool worked) {
  if (!worked) throw std::runtime_error("libcrypto: SHA-256 does not work");
}

}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  check(context_->md != nullptr && EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;

void Sha256::update(const void* data, std::size_t size) { check(EVP_DigestUpdate(context_->md, data, size) == 1); }

std::string Sha256::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  check(EVP_DigestFinal_ex(context_->md, digest, &size) == 1);
  return to_hex(digest, size);
}

std::string sha256_hex(std::string_view text) {
  Sha256 hash;
  hash.update(text.data(), text.size());
  return hash.hex();
}

std::array<std::uint8_t, 32> hmac(std::string_view key, std::string_view text) {
  std::array<std::uint8_t, 32> code{};
  unsigned size = 0;
  check(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), code.data(), &size) != nullptr &&
        size == code.size());
  return code;
}

std::string hmac_hex(std::string_view key, std::string_view text) {
  const auto code = hmac(key, text);
  return to_hex(code.data(), code.size());
}

bool same_code(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace stasis
