// SPDX-License-Identifier: Apache-2.0
#include "common/page_seal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace stasis {
namespace {

constexpr char kPurpose[] = "stasis page file\n";
constexpr std::size_t kNonceBytes = 12;

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

// libcrypto fails here only when it is broken or out of memory: nothing a caller could handle.
void check(bool worked) {
  if (!worked) throw std::runtime_error("libcrypto: GMAC does not work");
}

EVP_MAC* gmac() {
  static const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_GMAC, nullptr));
  check(mac != nullptr);
  return mac.get();
}

std::string purpose_of(const PageSeal& seal) { return kPurpose + std::string(seal.salt.begin(), seal.salt.end()); }

}  // namespace

Result<PageSealer> PageSealer::make(const Keys& keys) {
  PageSeal seal;
  seal.key_id = keys.newest();
  if (::getrandom(seal.salt.data(), seal.salt.size(), 0) != static_cast<ssize_t>(seal.salt.size())) {
    return fail(errno_error("getrandom", errno));
  }
  return open(keys, std::move(seal));
}

Result<PageSealer> PageSealer::open(const Keys& keys, PageSeal seal) {
  STASIS_LET(const auto secret, keys.derive(seal.key_id, purpose_of(seal)));
  return PageSealer(std::move(seal), secret);
}

BlockCode PageSealer::code(std::uint32_t block, const char* stored, std::size_t size) const {
  std::array<unsigned char, kNonceBytes> nonce{};
  std::memcpy(nonce.data(), &block, sizeof block);
  char cipher[] = "AES-256-GCM";
  const OSSL_PARAM settings[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, nonce.data(), nonce.size()),
      OSSL_PARAM_construct_end(),
  };
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(EVP_MAC_CTX_new(gmac()));
  BlockCode code;
  std::size_t length = 0;
  check(context != nullptr && EVP_MAC_init(context.get(), secret_.data(), secret_.size(), settings) == 1 &&
        EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(stored), size) == 1 &&
        EVP_MAC_final(context.get(), code.data(), &length, code.size()) == 1 && length == code.size());
  return code;
}

}  // namespace stasis
