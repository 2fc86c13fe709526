// SPDX-License-Identifier: Apache-2.0
#include "common/memory_use.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <string>

#include "common/read_file.h"

namespace stasis {

namespace {

// "\nName:    1234 kB", in blanks or tabs: 1234. not_found: there is no such line.
Result<std::uint64_t> value_in(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  const auto first = at == std::string_view::npos ? at : text.find_first_not_of(" \t", at + name.size());
  if (first == std::string_view::npos) return fail(ErrorKind::not_found, "no such line");
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), value);
  if (error != std::errc()) return fail(ErrorKind::corrupt, "no number");
  return value;
}

// Of all lines of these names, in bytes.
Result<std::uint64_t> sum_of(std::string_view text, std::initializer_list<std::string_view> names) {
  std::uint64_t kib = 0;
  bool any = false;
  for (const auto name : names) {
    const auto value = value_in(text, name);
    if (!value && value.error().kind == ErrorKind::corrupt) return fail(ErrorKind::corrupt, "a line has no number");
    if (!value) continue;
    kib += *value;
    any = true;
  }
  if (!any) return fail(ErrorKind::corrupt, "has none of the lines looked for");
  return kib * 1024;
}

// 0: it cannot be read.
template <class Parse>
std::uint64_t memory_in(pid_t pid, const char* file, const Parse& parse) {
  const auto text = read_file("/proc/" + std::to_string(pid) + "/" + file);
  return text ? parse(*text).value_or(0) : 0;
}

}  // namespace

Result<std::uint64_t> parse_smaps_rollup(std::string_view text) {
  return in_context("smaps_rollup", sum_of(text, {"\nPss_Anon:", "\nPss_Shmem:", "\nSwapPss:"}));
}

Result<std::uint64_t> parse_status_memory(std::string_view text) {
  return in_context("status", sum_of(text, {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"}));
}

std::uint64_t memory_to_dump(const std::vector<CapsuleProcess>& tree) {
  std::uint64_t sum = 0, largest = 0;
  for (const auto& process : tree) {
    const std::uint64_t has = memory_in(process.host, "status", parse_status_memory);
    sum += has;
    largest = std::max(largest, has);
  }
  // However much of the rest is shared.
  if (sum - largest <= largest / 8) return sum;
  sum = 0;
  for (const auto& process : tree) sum += memory_in(process.host, "smaps_rollup", parse_smaps_rollup);
  return sum;
}

std::uint64_t available_memory() {
  const auto text = read_file("/proc/meminfo");
  return text ? value_in(*text, "\nMemAvailable:").value_or(0) * 1024 : 0;
}

}  // namespace stasis
