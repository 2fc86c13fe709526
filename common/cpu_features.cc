// SPDX-License-Identifier: Apache-2.0
#include "common/cpu_features.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "common/unique_fd.h"

namespace stasis {
namespace {

// Of x86, which lists beside them what only the kernel uses, what only makes something faster, and bugs.
constexpr std::string_view kFamilies[] = {"sse", "ssse3", "avx", "amx", "bmi", "sha", "sm3", "sm4"};
constexpr std::string_view kOthers[] = {
    "abm",       "adx",        "aes",     "apx",   "clflushopt", "cldemote", "clwb",      "clzero",   "cmpccxadd",
    "cx16",      "enqcmd",     "f16c",    "fma",   "fma4",       "fsgsbase", "gfni",      "lahf_lm",  "movbe",
    "movdir64b", "movdiri",    "mwaitx",  "ospke", "pclmulqdq",  "pni",      "popcnt",    "ptwrite",  "raoint",
    "rdpid",     "rdrand",     "rdseed",  "rtm",   "rdtscp",     "tbm",      "serialize", "tsxldtrk", "user_shstk",
    "vaes",      "vpclmulqdq", "waitpkg", "xop",   "xgetbv1",    "xsave",    "xsavec",    "xsaveopt",
};

bool is_for_programs(std::string_view name) {
  return std::any_of(std::begin(kFamilies), std::end(kFamilies), [&](auto begin) { return name.starts_with(begin); }) ||
         std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers);
}

std::set<std::string_view> words(std::string_view text) {
  std::set<std::string_view> found;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end != 0) found.insert(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

// What follows "NAME<tabs>: " in the first such line.
std::string_view line_of(std::string_view name, std::string_view text) {
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto colon = line.find(':');
    if (colon == std::string_view::npos || !line.starts_with(name)) continue;
    if (line.substr(name.size(), colon - name.size()).find_first_not_of("\t ") != std::string_view::npos) continue;
    return line.substr(colon + 1);
  }
  return {};
}

}  // namespace

std::string parse_cpu_features(std::string_view cpuinfo) {
  const auto x86 = words(line_of("flags", cpuinfo));
  // ARM has nothing else in its list.
  const auto all = x86.empty() ? words(line_of("Features", cpuinfo)) : x86;
  std::string features;
  for (const auto name : all) {
    if (!x86.empty() && !is_for_programs(name)) continue;
    features += (features.empty() ? "" : " ") + std::string(name);
  }
  return features;
}

std::string cpu_features() {
  const UniqueFd file(::open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC));
  // One processor's part is about 2 KiB; a large node has hundreds.
  std::string text(16 << 10, '\0');
  std::size_t size = 0;
  while (file && size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got <= 0) break;
    size += static_cast<std::size_t>(got);
  }
  return parse_cpu_features(std::string_view(text).substr(0, size));
}

std::string missing_features(std::string_view then, std::string_view now) {
  const auto had = words(then);
  const auto have = words(now);
  std::string missing;
  if (have.empty()) return missing;
  for (const auto name : had) {
    if (have.count(name) == 0) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

}  // namespace stasis
