// SPDX-License-Identifier: Apache-2.0
#include "common/memory_use.h"

#include <charconv>
#include <string>

#include "common/read_file.h"

namespace stasis {

Result<std::uint64_t> parse_smaps_rollup(std::string_view text) {
  std::uint64_t kib = 0;
  bool any = false;
  for (const std::string_view name : {"\nPss_Anon:", "\nPss_Shmem:", "\nSwapPss:"}) {
    const auto at = text.find(name);
    if (at == std::string_view::npos) continue;
    const auto first = text.find_first_not_of(' ', at + name.size());
    if (first == std::string_view::npos) break;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), value);
    if (error != std::errc()) return fail(ErrorKind::corrupt, "smaps_rollup: no number");
    kib += value;
    any = true;
  }
  if (!any) return fail(ErrorKind::corrupt, "smaps_rollup: has none of the lines looked for");
  return kib * 1024;
}

std::uint64_t memory_to_dump(const std::vector<CapsuleProcess>& tree) {
  std::uint64_t bytes = 0;
  for (const auto& process : tree) {
    const auto text = read_file("/proc/" + std::to_string(process.host) + "/smaps_rollup");
    if (text) bytes += parse_smaps_rollup(*text).value_or(0);
  }
  return bytes;
}

}  // namespace stasis
