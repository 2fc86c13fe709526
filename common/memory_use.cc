// SPDX-License-Identifier: Apache-2.0
#include "common/memory_use.h"

#include <charconv>
#include <string>

#include "common/read_file.h"

namespace stasis {

namespace {

// "\nName:    1234 kB": 1234. not_found: there is no such line.
Result<std::uint64_t> value_in(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  const auto first = at == std::string_view::npos ? at : text.find_first_not_of(' ', at + name.size());
  if (first == std::string_view::npos) return fail(ErrorKind::not_found, "no such line");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  if (error != std::errc()) return fail(ErrorKind::corrupt, "no number");
  return value;
}

}  // namespace

Result<std::uint64_t> parse_smaps_rollup(std::string_view text) {
  std::uint64_t kib = 0;
  bool any = false;
  for (const std::string_view name : {"\nPss_Anon:", "\nPss_Shmem:", "\nSwapPss:"}) {
    const auto value = value_in(text, name);
    if (!value && value.error().kind == ErrorKind::corrupt) return fail(ErrorKind::corrupt, "smaps_rollup: no number");
    if (!value) continue;
    kib += *value;
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

std::uint64_t available_memory() {
  const auto text = read_file("/proc/meminfo");
  return text ? value_in(*text, "\nMemAvailable:").value_or(0) * 1024 : 0;
}

}  // namespace stasis
