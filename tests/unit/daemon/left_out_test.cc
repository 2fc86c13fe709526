// SPDX-License-Identifier: Apache-2.0
// The memory of a real process, and a dump of it that leaves out what is known. The test is criu, and the kernel that
// tells what was written to.
#include "daemon/left_out.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "common/criu_image.h"
#include "common/criu_pages.pb.h"
#include "common/store.h"
#include "daemon/images_file.h"
#include "tests/unit/stopped_child.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::size_t kPages = 6;

class LeftOutTest : public ::testing::Test {
 protected:
  LeftOutTest() {
    pagemap_ = "pagemap-" + std::to_string(child_.pid()) + ".img";
    manifest_.job = {"hpc", 1000, 812, 1700000000};
    manifest_.part = "batch";
    manifest_.number = 1;
    manifest_.gid = 1000;
    manifest_.node = "n1";
    publication_.emplace(std::move(*store_.begin(manifest_)));
    index_.emplace(std::move(*PageIndex::open(local_.path() + "/pages", "", 100)));
    capture_.emplace(
        *index_, 1, [this] { return publication_->create(page_file_name(1)); }, Compression{0, 1},
        *PageSealer::make(store_.keys()));
  }

  // That many pages from the first on are known, each with its own contents, in the frames of now.
  void know(std::uint32_t pages) {
    const auto memory = ProcessMemory::open({child_.pid(), child_.pid(), 0});
    ASSERT_TRUE(memory);
    const auto pagemap = memory->open_file("pagemap", O_RDONLY);
    std::vector<Frame> frames(pages);
    ASSERT_TRUE(read_frames(pagemap->get(), child_.address(0), pages, frames.data()));
    auto file = nameless_images_file(opened_.get());
    ASSERT_TRUE(write_frames(file->get(), frames.data(), frames.size()));
    KnownProcess process(std::move(*file));
    std::uint64_t at = child_.address(0);
    ASSERT_TRUE(capture_->learn(child_.page(), pages, [&](PagePlace place) {
      process.add(at, {place.generation, place.page, 1});
      at += kPageSize;
    }));
    KnownMemory known;
    known.processes.emplace(child_.pid(), std::move(process));
    left_out_.know(std::move(known));
  }

  // Of a dump that has left out all but the last `written` pages.
  void dump(std::uint32_t written) {
    criu::PagemapHead head;
    head.set_pages_id(1);
    std::vector<std::string> entries{head.SerializeAsString()};
    for (std::size_t i = 0; i < kPages; ++i) {
      criu::PagemapEntry entry;
      entry.set_vaddr(child_.address(i));
      entry.set_few_pages(1);
      entry.set_flags(i < kPages - written ? 1 : 4);
      entries.push_back(entry.SerializeAsString());
    }
    ASSERT_TRUE(write_images_file(opened_.get(), pagemap_, write_criu_image(entries, kCriuPagemapMagic)));
    ASSERT_TRUE(write_images_file(opened_.get(), "pages-1.img",
                                  std::string(child_.page(kPages - written), written * kPageSize)));
  }
  Result<void> look() {
    STASIS_LET(const std::string text, read_images_file(opened_.get(), pagemap_));
    STASIS_LET(const CriuPagemap map, parse_criu_pagemap(text));
    STASIS_LET(const ProcessMemory memory, ProcessMemory::open({child_.pid(), child_.pid(), 0}));
    return left_out_.note_frozen(child_.pid(), map, memory);
  }
  // The pages of the image, by where they are stored; what was learned first is stored first.
  std::vector<std::uint32_t> places() {
    const auto map = capture_->finish({});
    EXPECT_TRUE(map) << map.error().message;
    std::vector<std::uint32_t> places;
    for (const auto& run : map->images.front().runs) {
      for (std::uint32_t i = 0; i < run.count; ++i) places.push_back(run.first + i);
    }
    return places;
  }

  TempDirectory scratch_, local_, images_;
  UniqueFd opened_{::open(images_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  CheckpointStore store_{scratch_.path(), *Keys::parse("k1 " + std::string(64, 'a') + "\n")};
  Manifest manifest_;
  std::optional<Publication> publication_;
  std::optional<PageIndex> index_;
  std::optional<PageCapture> capture_;
  StoppedChild child_{kPages};
  LeftOut left_out_{opened_.get()};
  std::string pagemap_;
};

TEST_F(LeftOutTest, IsMadeWholeFromWhatIsKnown) {
  know(kPages - 2);
  EXPECT_FALSE(left_out_.nothing());
  dump(2);
  ASSERT_TRUE(look());
  ASSERT_TRUE(left_out_.collect(*capture_));
  EXPECT_EQ(left_out_.known_bytes(), (kPages - 2) * kPageSize);
  const auto text = read_images_file(opened_.get(), pagemap_);
  const auto map = parse_criu_pagemap(*text);
  for (const auto& range : map->ranges) EXPECT_FALSE(range.known);
  EXPECT_FALSE(std::filesystem::exists(images_.path() + "/pages-1.img"));
  EXPECT_EQ(places(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5}));
}

// As a mapping that was moved is: the kernel says that nobody wrote to it.
TEST_F(LeftOutTest, WhatIsInAnotherFrameIsReadAgain) {
  know(kPages);
  // It shares that page with this process, and gets one of its own then, in another frame.
  const int memory = ::open(("/proc/" + std::to_string(child_.pid()) + "/mem").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::pwrite(memory, "changed", 7, static_cast<off_t>(child_.address(1))), 7);
  ::close(memory);
  dump(0);
  ASSERT_TRUE(look());
  ASSERT_TRUE(left_out_.collect(*capture_));
  EXPECT_EQ(left_out_.known_bytes(), (kPages - 1) * kPageSize);
  EXPECT_EQ(places(), (std::vector<std::uint32_t>{0, 6, 2, 3, 4, 5}));
}

TEST_F(LeftOutTest, WhatIsLeftOutAndNotKnownIsRead) {
  know(3);
  dump(1);
  ASSERT_TRUE(look());
  ASSERT_TRUE(left_out_.collect(*capture_));
  EXPECT_EQ(left_out_.known_bytes(), 3 * kPageSize);
  EXPECT_EQ(places(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5}));
}

TEST_F(LeftOutTest, OfAProcessOfWhichNothingIsKnownIsLost) {
  dump(1);
  EXPECT_EQ(look().error().kind, ErrorKind::lost);
}

TEST_F(LeftOutTest, WithMoreOrFewerPagesThanItSaysIsDamaged) {
  know(kPages - 2);
  for (const std::size_t pages : {std::size_t{1}, std::size_t{3}}) {
    dump(2);
    std::filesystem::remove(images_.path() + "/" + frames_name(child_.pid()));
    std::filesystem::remove(images_.path() + "/.aside-" + std::to_string(child_.pid()));
    ASSERT_TRUE(look());
    ASSERT_TRUE(write_images_file(opened_.get(), "pages-1.img", std::string(pages * kPageSize, 'x')));
    EXPECT_FALSE(left_out_.collect(*capture_)) << pages;
  }
}

}  // namespace
}  // namespace stasis
