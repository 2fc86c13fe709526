// SPDX-License-Identifier: Apache-2.0
// page_seal.h - codes that tell whether a block of a page file is what was written there, and was written by one who
// has a key of the site's.
//
// Each page file has a secret of its own, derived from the site's newest key and a random salt; each block a GMAC
// (AES-256) of the bytes stored, with the block's number in place of a random nonce. So no nonce comes twice with a
// secret, and no block passes for another one. A digest would take five times the processor time and would have to be
// authenticated as well.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/keys.h"
#include "common/result.h"

namespace stasis {

using BlockCode = std::array<std::uint8_t, 16>;

// What has to be known of a page file, beside the site's keys, to compute its codes.
struct PageSeal {
  std::string key_id;
  std::array<std::uint8_t, 16> salt{};

  friend bool operator==(const PageSeal&, const PageSeal&) = default;
};

// To be used from any number of threads.
class PageSealer {
 public:
  // For a new page file.
  static Result<PageSealer> make(const Keys& keys);
  // unsupported: that key is not among them.
  static Result<PageSealer> open(const Keys& keys, PageSeal seal);

  BlockCode code(std::uint32_t block, const char* stored, std::size_t size) const;
  const PageSeal& seal() const { return seal_; }

 private:
  PageSealer(PageSeal seal, const Keys::Secret& secret) : seal_(std::move(seal)), secret_(secret) {}

  PageSeal seal_;
  Keys::Secret secret_;
};

}  // namespace stasis
