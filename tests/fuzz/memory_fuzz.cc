// SPDX-License-Identifier: Apache-2.0
// Any bytes as a memory map: refused or read, and what was read can be written and read
// again.
#include <cstdlib>

#include "common/page_map.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto map = read_page_map(bytes)) {
    const auto again = read_page_map(write_page_map(*map));
    if (!again || *again != *map) std::abort();
    (void)map->use();
  }
  return 0;
}
