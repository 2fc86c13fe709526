// SPDX-License-Identifier: Apache-2.0
#include "daemon/criu_memory.h"

#include <charconv>
#include <limits>

#include "common/criu_image.h"
#include "common/criu_pages.pb.h"
#include "common/page_index.h"

namespace stasis {
namespace {

// Of PagemapEntry.flags: the pages are in the image.
constexpr std::uint32_t kPresent = 1U << 2;
// User space ends long before, on every machine.
constexpr std::uint64_t kMostPages = std::numeric_limits<std::int64_t>::max() / kPageSize;

Result<void> add_range(const std::string& bytes, std::vector<MemoryRange>& ranges) {
  criu::PagemapEntry entry;
  if (!entry.ParseFromString(bytes)) return fail(ErrorKind::corrupt, "a pagemap with an entry that is none");
  if (entry.in_parent()) return fail(ErrorKind::unsupported, "a pagemap with pages in another dump");
  // Flags are there since CRIU 2.0; what has none is in the image.
  if (entry.has_flags() && (entry.flags() & kPresent) == 0) return {};
  const std::uint64_t pages = entry.has_many_pages() ? entry.many_pages() : entry.few_pages();
  const std::uint64_t first = entry.vaddr() / kPageSize;
  if (entry.vaddr() % kPageSize != 0 || pages > kMostPages || first > kMostPages - pages) {
    return fail(ErrorKind::corrupt, "a pagemap with pages that cannot be");
  }
  ranges.push_back({entry.vaddr(), pages});
  return {};
}

}  // namespace

Result<CriuPagemap> parse_criu_pagemap(std::string_view image) {
  STASIS_LET(const auto entries, read_criu_image(image, kCriuPagemapMagic));
  criu::PagemapHead head;
  if (entries.empty() || !head.ParseFromString(entries.front())) {
    return fail(ErrorKind::corrupt, "a pagemap without a head");
  }
  CriuPagemap map{"pages-" + std::to_string(head.pages_id()) + ".img", {}};
  for (std::size_t i = 1; i < entries.size(); ++i) STASIS_TRY(add_range(entries[i], map.ranges));
  return map;
}

Result<std::chrono::microseconds> parse_frozen_time(std::string_view image) {
  STASIS_LET(const auto entries, read_criu_image(image, kCriuStatsMagic));
  criu::Stats stats;
  if (entries.empty() || !stats.ParseFromString(entries.front()) || !stats.has_dump()) {
    return fail(ErrorKind::corrupt, "no statistics of a dump");
  }
  return std::chrono::microseconds(std::uint64_t{stats.dump().freezing_time()} + stats.dump().frozen_time());
}

std::optional<int> pagemap_of_process(std::string_view name) {
  constexpr std::string_view kBegin = "pagemap-", kEnd = ".img";
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return std::nullopt;
  name.remove_prefix(kBegin.size());
  name.remove_suffix(kEnd.size());
  int pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size() || pid <= 0) return std::nullopt;
  return pid;
}

}  // namespace stasis
