// SPDX-License-Identifier: Apache-2.0
#include "daemon/criu_memory.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "common/criu_image.h"
#include "common/criu_pages.pb.h"
#include "common/page_index.h"

namespace stasis {
namespace {

// Of PagemapEntry.flags: the pages are in the dump before this one, or in this one's image.
constexpr std::uint32_t kInParent = 1U << 0, kPresent = 1U << 2;
// User space ends long before, on every machine.
constexpr std::uint64_t kMostPages = std::numeric_limits<std::int64_t>::max() / kPageSize;
// A CRIU before 4.2 has no more room.
constexpr std::uint64_t kMostPagesOfEntry = 1ULL << 31;
// Criu's first version of images, which it still writes.
constexpr std::uint32_t kImagesVersion = 1;

// Flags are there since CRIU 2.0; what has none is in the image, unless it says otherwise.
bool in_parent(const criu::PagemapEntry& entry) {
  return entry.in_parent() || (entry.has_flags() && (entry.flags() & kInParent) != 0);
}

Result<void> add_range(const std::string& bytes, ScratchVector<PagemapRange>& ranges) {
  criu::PagemapEntry entry;
  if (!entry.ParseFromString(bytes)) return fail(ErrorKind::corrupt, "a pagemap with an entry that is none");
  const bool known = in_parent(entry);
  if (!known && entry.has_flags() && (entry.flags() & kPresent) == 0) return {};
  const std::uint64_t pages = entry.has_many_pages() ? entry.many_pages() : entry.few_pages();
  const std::uint64_t first = entry.vaddr() / kPageSize;
  if (entry.vaddr() % kPageSize != 0 || pages > kMostPages || first > kMostPages - pages) {
    return fail(ErrorKind::corrupt, "a pagemap with pages that cannot be");
  }
  ranges.push_back({{entry.vaddr(), pages}, known});
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

Result<std::string> complete_criu_pagemap(std::string_view image) {
  STASIS_LET(auto entries, read_criu_image(image, kCriuPagemapMagic));
  for (std::size_t i = 1; i < entries.size(); ++i) {
    criu::PagemapEntry entry;
    if (!entry.ParseFromString(entries[i])) return fail(ErrorKind::corrupt, "a pagemap with an entry that is none");
    if (!in_parent(entry)) continue;
    entry.clear_in_parent();
    entry.set_flags((entry.flags() & ~kInParent) | kPresent);
    entries[i] = entry.SerializeAsString();
  }
  return write_criu_image(entries, kCriuPagemapMagic);
}

std::string write_criu_pagemap(std::uint32_t pages_id, const MemoryRanges& ranges) {
  criu::PagemapHead head;
  head.set_pages_id(pages_id);
  std::vector<std::string> entries{head.SerializeAsString()};
  for (MemoryRange left : ranges) {
    while (left.pages > 0) {
      const MemoryRange next = take_front(left, kMostPagesOfEntry);
      criu::PagemapEntry entry;
      entry.set_vaddr(next.address);
      entry.set_few_pages(static_cast<std::uint32_t>(next.pages));
      entry.set_many_pages(next.pages);
      entry.set_flags(kPresent);
      entries.push_back(entry.SerializeAsString());
    }
  }
  return write_criu_image(entries, kCriuPagemapMagic);
}

std::string write_criu_inventory(std::chrono::microseconds uptime) {
  criu::Inventory inventory;
  inventory.set_img_version(kImagesVersion);
  inventory.set_dump_uptime(static_cast<std::uint64_t>(uptime.count()));
  // It says for all others that they begin with two words, and begins with one.
  return write_criu_image({inventory.SerializeAsString()}, kCriuInventoryMagic).substr(sizeof kCriuInventoryMagic);
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
