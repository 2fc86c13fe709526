// SPDX-License-Identifier: Apache-2.0
// Any bytes as a ledger, a list of /tmp, or an index: refused or read, and what was read can be written and read again.
#include <cstdlib>

#include "common/file_tree.h"
#include "common/ledger.h"

using namespace stasis;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto ledger = read_ledger(text)) {
    const auto again = read_ledger(write_ledger(*ledger));
    if (!again || *again != *ledger) std::abort();
  }
  if (const auto tree = read_file_tree(text)) {
    const auto again = read_file_tree(write_file_tree(*tree));
    if (!again || *again != *tree) std::abort();
  }
  (void)read_file_index(text);
  return 0;
}
