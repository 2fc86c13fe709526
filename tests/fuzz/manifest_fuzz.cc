// SPDX-License-Identifier: Apache-2.0
// Any bytes as a manifest: refused or read, and what was read can be written and read again.
#include <cstdlib>

#include "common/manifest.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static const Keys keys = *Keys::parse("k1 " + std::string(64, 'a') + "\n");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)read_manifest(text, keys);
  // Without the code nothing would ever get behind the first line.
  const auto body = parse_manifest_body(text);
  if (!body) return 0;
  const auto again = read_manifest(write_manifest(*body, keys), keys);
  if (!again || *again != *body) std::abort();
  return 0;
}
