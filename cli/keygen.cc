// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <ctime>

#include "cli/verbs.h"
#include "common/keys.h"

namespace stasis {

Result<void> print_key(const std::string& id) {
  char today[16];
  const std::time_t now = std::time(nullptr);
  std::strftime(today, sizeof today, "%Y-%m-%d", std::localtime(&now));
  STASIS_LET(const std::string line, Keys::make(id.empty() ? today : id));
  std::fputs(line.c_str(), stdout);
  return {};
}

}  // namespace stasis
