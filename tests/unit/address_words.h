// SPDX-License-Identifier: Apache-2.0
// address_words.h - addresses as they are in memory, from how people write them.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

#include "common/node_addresses.h"

namespace stasis {

inline AddressWords words(const std::string& text) {
  AddressWords result(4);
  if (::inet_pton(AF_INET6, text.c_str(), result.data()) == 1) return result;
  result.resize(1);
  EXPECT_EQ(::inet_pton(AF_INET, text.c_str(), result.data()), 1) << text;
  return result;
}

}  // namespace stasis
