// SPDX-License-Identifier: Apache-2.0
#include "daemon/known_memory.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <filesystem>

#include "daemon/images_file.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::uint64_t kAt = 0x7f0000000000;

// Runs, and one of no generation's for pages that are not known.
using Runs = std::vector<PageRun>;
PageRun unknown(std::uint32_t pages) { return {UINT32_MAX, 0, pages}; }

Runs find(const KnownProcess& process, std::uint64_t page, std::uint64_t pages) {
  Runs runs;
  std::uint64_t at = kAt + page * kPageSize;
  EXPECT_TRUE(process.find({at, pages}, [&](const KnownProcess::Found& found) {
    EXPECT_EQ(found.address, at);
    at += found.pages * kPageSize;
    runs.push_back(found.known ? found.run : unknown(found.pages));
    return Result<void>();
  }));
  EXPECT_EQ(at, kAt + (page + pages) * kPageSize);
  return runs;
}

class KnownProcessTest : public ::testing::Test {
 protected:
  KnownProcessTest() {
    const Frame frames[] = {70, 71, 72, 73, 74, 75, 76, 77, 78};
    EXPECT_TRUE(write_frames(file_, frames, 9));
    process_.add(kAt, {3, 10, 4});
    process_.add(kAt + 4 * kPageSize, {0, 0, 2});
    process_.add(kAt + 6 * kPageSize, {3, 14, 2});
    // A hole of two pages.
    process_.add(kAt + 10 * kPageSize, {5, 0, 1});
  }
  TempDirectory directory_;
  int file_ = ::open((directory_.path() + "/frames").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  KnownProcess process_{UniqueFd(file_)};
};

TEST_F(KnownProcessTest, TellsWherePagesAre) {
  EXPECT_EQ(find(process_, 0, 4), (Runs{{3, 10, 4}}));
  EXPECT_EQ(find(process_, 1, 2), (Runs{{3, 11, 2}}));
  EXPECT_EQ(find(process_, 3, 4), (Runs{{3, 13, 1}, {0, 0, 2}, {3, 14, 1}}));
  EXPECT_EQ(find(process_, 5, 1), (Runs{{0, 0, 1}}));
  EXPECT_EQ(find(process_, 10, 1), (Runs{{5, 0, 1}}));
}

TEST_F(KnownProcessTest, DoesNotKnowWhatItWasNotTold) {
  EXPECT_EQ(find(process_, 7, 5), (Runs{{3, 15, 1}, unknown(2), {5, 0, 1}, unknown(1)}));
  EXPECT_EQ(find(process_, 8, 1), (Runs{unknown(1)}));
  const KnownProcess nothing{UniqueFd()};
  EXPECT_EQ(find(nothing, 0, 3), (Runs{unknown(3)}));
  const auto before = kAt - kPageSize;
  std::vector<bool> known;
  EXPECT_TRUE(process_.find({before, 2}, [&](const KnownProcess::Found& found) {
    known.push_back(found.known);
    return Result<void>();
  }));
  EXPECT_EQ(known, (std::vector<bool>{false, true}));
}

TEST_F(KnownProcessTest, HasTheFramesOfItsPages) {
  std::vector<Frame> frames;
  EXPECT_TRUE(process_.find({kAt + 5 * kPageSize, 6}, [&](const KnownProcess::Found& found) -> Result<void> {
    if (!found.known) return {};
    STASIS_LET(const auto some, process_.frames(found.index, found.pages));
    frames.insert(frames.end(), some.begin(), some.end());
    return {};
  }));
  EXPECT_EQ(frames, (std::vector<Frame>{75, 76, 77, 78}));
  EXPECT_FALSE(process_.frames(8, 2));
}

TEST_F(KnownProcessTest, NeedsItsPageFiles) {
  EXPECT_TRUE(process_.is_within({{3, {}}, {5, {}}}));
  EXPECT_FALSE(process_.is_within({{3, {}}}));
  EXPECT_TRUE(KnownProcess(UniqueFd()).is_within({}));
}

TEST(KnownProcess, PagesThatFollowOneAnotherAreOneRun) {
  KnownProcess process{UniqueFd()};
  for (std::uint32_t i = 0; i < 3; ++i) process.add(kAt + i * kPageSize, {3, 7 + i, 1});
  // Stored one behind the other, but not so in memory.
  process.add(kAt + 9 * kPageSize, {3, 10, 1});
  EXPECT_EQ(find(process, 0, 4), (Runs{{3, 7, 3}, unknown(1)}));
}

class KnownMemoryTest : public ::testing::Test {
 protected:
  KnownMemoryTest() {
    manifest_.job = {"hpc", 1000, 812, 1700000000};
    manifest_.part = "batch";
    manifest_.number = 4;
    map_.images = {{"pages-1.img", {{4, 0, 3}, {0, 0, 2}, {2, 8, 5}}}, {"pages-2.img", {{2, 0, 1}}}};
    write("pagemap-812.img", write_criu_pagemap(1, {{kAt, 4}, {kAt + 20 * kPageSize, 6}}));
    write("pagemap-shmem-9.img", write_criu_pagemap(2, {{0, 1}}));
    write(frames_name(812), std::string(10 * sizeof(Frame), 'f'));
  }
  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_images_file(opened_.get(), name, text));
  }
  std::string directory() const { return local_.path() + "/known"; }
  Result<KnownMemory> take() { return take_known_memory(directory(), &manifest_, map_); }

  TempDirectory images_, local_;
  UniqueFd opened_{::open(images_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  Manifest manifest_;
  PageMap map_;
};

TEST_F(KnownMemoryTest, IsOfTheCheckpointBefore) {
  ASSERT_TRUE(keep_known_memory(directory(), opened_.get(), std::chrono::microseconds(77), manifest_));
  const auto known = take();
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(known->uptime, std::chrono::microseconds(77));
  ASSERT_EQ(known->processes.size(), 1U);
  const KnownProcess& process = known->processes.at(812);
  EXPECT_EQ(find(process, 0, 4), (Runs{{4, 0, 3}, {0, 0, 1}}));
  EXPECT_EQ(find(process, 20, 6), (Runs{{0, 0, 1}, {2, 8, 5}}));
  EXPECT_TRUE(process.frames(0, 10));
}

TEST_F(KnownMemoryTest, WithoutTheFramesIsNone) {
  std::filesystem::remove(images_.path() + "/" + frames_name(812));
  EXPECT_FALSE(keep_known_memory(directory(), opened_.get(), {}, manifest_));
  EXPECT_EQ(take().error().kind, ErrorKind::not_found);
}

// Whatever becomes of the next checkpoint, the kernel has begun anew with it.
TEST_F(KnownMemoryTest, IsTakenOnce) {
  ASSERT_TRUE(keep_known_memory(directory(), opened_.get(), {}, manifest_));
  ASSERT_TRUE(take());
  EXPECT_EQ(take().error().kind, ErrorKind::not_found);
}

TEST_F(KnownMemoryTest, OfAnotherGenerationIsNotTaken) {
  ASSERT_TRUE(keep_known_memory(directory(), opened_.get(), {}, manifest_));
  manifest_.number++;
  EXPECT_EQ(take().error().kind, ErrorKind::not_found);
  manifest_.number--;
  EXPECT_EQ(take().error().kind, ErrorKind::not_found);
}

TEST_F(KnownMemoryTest, IsTakenEvenIfNobodyCanSayOfWhat) {
  ASSERT_TRUE(keep_known_memory(directory(), opened_.get(), {}, manifest_));
  EXPECT_EQ(take_known_memory(directory(), nullptr, map_).error().kind, ErrorKind::not_found);
  EXPECT_EQ(take().error().kind, ErrorKind::not_found);
}

TEST_F(KnownMemoryTest, WhoseMapHasFewerPagesIsDamaged) {
  ASSERT_TRUE(keep_known_memory(directory(), opened_.get(), {}, manifest_));
  map_.images.front().runs.pop_back();
  EXPECT_EQ(take().error().kind, ErrorKind::corrupt);
}

TEST_F(KnownMemoryTest, IsGivenToCriuAndTakenBack) {
  KnownMemory known;
  known.processes.emplace(812, KnownProcess(UniqueFd())).first->second.add(kAt, {4, 0, 3});
  ASSERT_TRUE(write_known_for_criu(opened_.get(), known));
  const std::string below = images_.path() + "/" + kKnownForCriu;
  const UniqueFd inside(::open(below.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto text = read_images_file(inside.get(), "pagemap-812.img");
  ASSERT_TRUE(text);
  // It is to leave out whatever was not written to.
  const auto ranges = parse_criu_pagemap(*text)->ranges;
  EXPECT_EQ(ranges.front().address, kPageSize);
  EXPECT_EQ(ranges.back().address + ranges.back().pages * kPageSize, 1ULL << 47);
  EXPECT_TRUE(std::filesystem::exists(below + "/" + parse_criu_pagemap(*text)->image));
  EXPECT_TRUE(std::filesystem::exists(below + "/inventory.img"));
  std::filesystem::create_symlink(kKnownForCriu, images_.path() + "/parent");
  remove_known_for_criu(opened_.get());
  EXPECT_FALSE(std::filesystem::exists(below));
  EXPECT_FALSE(std::filesystem::is_symlink(images_.path() + "/parent"));
}

}  // namespace
}  // namespace stasis
