// SPDX-License-Identifier: Apache-2.0
#include "daemon/criu_memory.h"

#include <gtest/gtest.h>

#include "common/criu_image.h"
#include "common/criu_pages.pb.h"

namespace stasis {
namespace {

std::string head(std::uint32_t id) {
  criu::PagemapHead head;
  head.set_pages_id(id);
  return head.SerializeAsString();
}

criu::PagemapEntry entry(std::uint64_t address, std::uint32_t pages, std::uint32_t flags) {
  criu::PagemapEntry entry;
  entry.set_vaddr(address);
  entry.set_few_pages(pages);
  entry.set_flags(flags);
  return entry;
}

Result<CriuPagemap> parse(const std::vector<criu::PagemapEntry>& entries) {
  std::vector<std::string> all{head(3)};
  for (const auto& one : entries) all.push_back(one.SerializeAsString());
  return parse_criu_pagemap(write_criu_image(all, kCriuPagemapMagic));
}

TEST(CriuPagemap, HasThePagesThatAreInTheImage) {
  auto many = entry(0x7f0000000000, 0, 6);
  many.set_many_pages(1ULL << 33);
  const auto map = parse({entry(0x400000, 2, 4), entry(0x402000, 7, 2), many});
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->image, "pages-3.img");
  EXPECT_EQ(map->ranges, (ScratchVector<PagemapRange>{{{0x400000, 2}, false}, {{0x7f0000000000, 1ULL << 33}, false}}));
}

TEST(CriuPagemap, WithoutPagesIsOne) { EXPECT_TRUE(parse({})->ranges.empty()); }

TEST(CriuPagemap, OfAnotherDumpsPagesSaysSo) {
  // As criu before 2.0 did.
  auto old = entry(0x600000, 1, 0);
  old.clear_flags();
  old.set_in_parent(true);
  const std::vector<criu::PagemapEntry> entries{entry(0x400000, 2, 1), entry(0x500000, 3, 6), old};
  EXPECT_EQ(parse(entries)->ranges,
            (ScratchVector<PagemapRange>{{{0x400000, 2}, true}, {{0x500000, 3}, false}, {{0x600000, 1}, true}}));
  std::vector<std::string> all{head(3)};
  for (const auto& one : entries) all.push_back(one.SerializeAsString());
  const auto complete = complete_criu_pagemap(write_criu_image(all, kCriuPagemapMagic));
  ASSERT_TRUE(complete) << complete.error().message;
  const auto map = parse_criu_pagemap(*complete);
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->image, "pages-3.img");
  EXPECT_EQ(map->ranges,
            (ScratchVector<PagemapRange>{{{0x400000, 2}, false}, {{0x500000, 3}, false}, {{0x600000, 1}, false}}));
  EXPECT_FALSE(complete_criu_pagemap("pagemap"));
}

TEST(CriuPagemap, IsReadAsItIsWritten) {
  const std::uint64_t many = (1ULL << 32) + 1;
  const auto map = parse_criu_pagemap(write_criu_pagemap(7, {{0x400000, 2}, {0x7f0000000000, many}}));
  ASSERT_TRUE(map) << map.error().message;
  EXPECT_EQ(map->image, "pages-7.img");
  std::uint64_t pages = 0;
  for (const auto& range : map->ranges) pages += range.pages;
  EXPECT_EQ(pages, 2 + many);
  EXPECT_EQ(map->ranges.front(), (PagemapRange{{0x400000, 2}, false}));
}

TEST(CriuInventory, SaysWhenTheDumpWasMade) {
  const std::string image = write_criu_inventory(std::chrono::seconds(5));
  // One word of magic, not two, and the size of what follows.
  EXPECT_EQ(image.substr(0, 4), "\x16\x31\x31\x58");
  criu::Inventory inventory;
  ASSERT_TRUE(inventory.ParseFromString(image.substr(8)));
  EXPECT_EQ(inventory.dump_uptime(), 5000000U);
}

TEST(CriuPagemap, ThatCannotBeIsCorrupt) {
  EXPECT_EQ(parse({entry(0x400001, 2, 4)}).error().kind, ErrorKind::corrupt);
  auto many = entry(0x400000, 0, 4);
  many.set_many_pages(~0ULL);
  EXPECT_EQ(parse({many}).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(parse_criu_pagemap(write_criu_image({}, kCriuPagemapMagic)).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(parse_criu_pagemap(write_criu_image({head(1), "\xff\xff"}, kCriuPagemapMagic)).error().kind,
            ErrorKind::corrupt);
  EXPECT_EQ(parse_criu_pagemap("").error().kind, ErrorKind::corrupt);
}

TEST(CriuPagemap, IsAProcessesByItsName) {
  EXPECT_EQ(pagemap_of_process("pagemap-812.img"), 812);
  for (const char* name : {"pagemap-shmem-812.img", "pagemap-.img", "pagemap-0.img", "pagemap-1", "pages-1.img",
                           "pagemap-12x.img", "pagemap-99999999999999.img", ""}) {
    EXPECT_FALSE(pagemap_of_process(name)) << name;
  }
}

// As criu has written it: frozen within 5 ms, and for 40.
TEST(FrozenTime, IsFromTheFirstProcessToTheLast) {
  criu::Stats stats;
  stats.mutable_dump()->set_freezing_time(5000);
  stats.mutable_dump()->set_frozen_time(40000);
  std::string image = write_criu_image({stats.SerializeAsString()}, kCriuStatsMagic);
  const std::uint32_t service = 0x55105940;
  image.replace(0, sizeof service, reinterpret_cast<const char*>(&service), sizeof service);
  EXPECT_EQ(parse_frozen_time(image), std::chrono::milliseconds(45));
  EXPECT_FALSE(parse_frozen_time(write_criu_image({criu::Stats().SerializeAsString()}, kCriuStatsMagic)));
  EXPECT_FALSE(parse_frozen_time("stats"));
}

}  // namespace
}  // namespace stasis
