// SPDX-License-Identifier: Apache-2.0
// The memory of a real process on its way into a store. The test is criu: it hands over pages, and says what they are.
#include "daemon/job_memory.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "common/criu_image.h"
#include "common/criu_pages.pb.h"
#include "tests/unit/fetch_whole.h"
#include "tests/unit/stopped_child.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::size_t kPages = 6;

class JobMemoryTest : public ::testing::Test {
 protected:
  JobMemoryTest() {
    std::filesystem::create_directories(local_directory(config_, run_.facts));
    manifest_.job = {"hpc", 1000, 812, 1700000000};
    manifest_.part = "batch";
    manifest_.number = 1;
    manifest_.gid = 1000;
    manifest_.node = "n1";
  }

  static Config config(const std::string& local) {
    Config config;
    config.local = local;
    return config;
  }

  // The pagemap image of all its pages.
  void say_what_it_has(std::uint32_t pages) {
    criu::PagemapHead head;
    head.set_pages_id(1);
    criu::PagemapEntry entry;
    entry.set_vaddr(child_.address());
    entry.set_few_pages(pages);
    entry.set_flags(4);
    images_.write("pagemap-" + std::to_string(child_.pid()) + ".img",
                  write_criu_image({head.SerializeAsString(), entry.SerializeAsString()}, kCriuPagemapMagic));
  }

  Result<std::unique_ptr<JobMemory>> open(Publication& publication, const Manifest* previous = nullptr) {
    return JobMemory::open(run_, config_, store_, publication, previous, manifest_.number, opened_.get(),
                           kPages * kPageSize);
  }
  // Whether it reads the running job's memory before checkpoint `manifest_`. None is made.
  bool learns(const Manifest* previous) {
    auto publication = store_.begin(manifest_);
    EXPECT_TRUE(publication) << publication.error().message;
    auto memory = open(*publication, previous);
    EXPECT_TRUE(memory) << memory.error().message;
    (*memory)->prepare({{child_.pid(), child_.pid(), 0}}, true);
    Manifest none = manifest_;
    EXPECT_TRUE((*memory)->finish(none));
    std::filesystem::remove(images_.path() + "/memory");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch_.path())) {
      if (entry.path().filename() == page_file_name(manifest_.number)) return true;
    }
    return false;
  }
  // Makes it, of what this process has where the child has its pages.
  Manifest checkpoint(const Manifest* previous) {
    Manifest made = manifest_;
    auto publication = store_.begin(made);
    EXPECT_TRUE(publication) << publication.error().message;
    auto memory = open(*publication, previous);
    EXPECT_TRUE(memory) << memory.error().message;
    EXPECT_TRUE((*memory)->add_pages("pages-1.img", child_.page(), kPages));
    EXPECT_TRUE((*memory)->finish(made));
    EXPECT_TRUE(publication->publish(opened_.get(), made));
    (*memory)->remember(made);
    std::filesystem::remove(images_.path() + "/memory");
    manifest_.number++;
    const auto generation = store_.newest(made.job, made.part);
    EXPECT_TRUE(generation && *generation);
    return *store_.read(**generation, made.job, made.part);
  }

  TempDirectory scratch_, local_, images_;
  UniqueFd opened_{::open(images_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  Config config_ = config(local_.path());
  const std::string key_ = "k1 " + std::string(64, 'a') + "\n";
  CheckpointStore store_{scratch_.path(), *Keys::parse(key_)};
  stasis::Run run_;
  Manifest manifest_;
  // Of its pages the last two can be executed.
  StoppedChild child_{kPages, 2};
};

TEST_F(JobMemoryTest, WhatCriuMayHaveWrittenToIsLookedAtOnceMore) {
  auto publication = store_.begin(manifest_);
  ASSERT_TRUE(publication) << publication.error().message;
  auto memory = open(*publication);
  ASSERT_TRUE(memory) << memory.error().message;
  const std::vector<CapsuleProcess> tree{{child_.pid(), child_.pid(), 0}};
  (*memory)->prepare(tree, true);
  // As criu may hand them over: its own instructions in one that can be executed.
  std::string handed_over(child_.page(), kPages * kPageSize);
  std::memcpy(&handed_over[4 * kPageSize], "syscall", 7);
  ASSERT_TRUE((*memory)->add_pages("pages-1.img", handed_over.data(), kPages));
  say_what_it_has(kPages);
  const auto corrected = (*memory)->note_frozen(tree);
  ASSERT_TRUE(corrected) << corrected.error().message;
  ASSERT_TRUE((*memory)->finish(manifest_));
  const auto generation = publication->publish(opened_.get(), manifest_);
  ASSERT_TRUE(generation) << generation.error().message;
  const TempDirectory fetched;
  const UniqueFd into(::open(fetched.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto done = fetch_whole(store_, *generation, manifest_.job, "batch", into.get());
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(fetched.read("pages-1.img"), std::string(child_.page(), kPages * kPageSize));
}

TEST_F(JobMemoryTest, TheRunningJobIsReadOnlyWhereMuchWasNewTheLastTime) {
  EXPECT_TRUE(learns(nullptr));
  const Manifest first = checkpoint(nullptr);
  EXPECT_TRUE(learns(&first)) << "all of it was new";
  const Manifest second = checkpoint(&first);
  EXPECT_FALSE(learns(&second)) << "nothing was new";
  std::memset(child_.page(), 'x', kPageSize);
  const Manifest third = checkpoint(&second);
  EXPECT_FALSE(learns(&third)) << "a sixth of it was new";
  std::memset(child_.page(), 'y', kPageSize);
  std::memset(child_.page(1), 'z', kPageSize);
  const Manifest fourth = checkpoint(&third);
  EXPECT_TRUE(learns(&fourth)) << "a third of it was new";
}

// So the old key can be given up once no checkpoint is signed with it.
TEST_F(JobMemoryTest, WhatIsSealedWithAnOlderKeyIsStoredAgain) {
  const Manifest first = checkpoint(nullptr);
  store_ = CheckpointStore(scratch_.path(), *Keys::parse(key_ + "k2 " + std::string(64, 'b') + "\n"));
  const Manifest second = checkpoint(&first);
  const auto map = store_.memory_map(second);
  ASSERT_TRUE(map) << map.error().message;
  ASSERT_EQ(map->files.size(), 1U);
  EXPECT_EQ(map->files.at(2).seal.key_id, "k2");
  const Manifest third = checkpoint(&second);
  const auto same = store_.memory_map(third);
  ASSERT_TRUE(same);
  EXPECT_EQ(same->files.count(2), 1U) << "with the same key it is not";
}

TEST_F(JobMemoryTest, MoreOrFewerPagesThanSaidAreRefused) {
  auto publication = store_.begin(manifest_);
  ASSERT_TRUE(publication);
  auto memory = open(*publication);
  ASSERT_TRUE(memory);
  ASSERT_TRUE((*memory)->add_pages("pages-1.img", child_.page(), kPages - 1));
  say_what_it_has(kPages);
  const auto corrected = (*memory)->note_frozen({{child_.pid(), child_.pid(), 0}});
  ASSERT_FALSE(corrected);
  EXPECT_EQ(corrected.error().kind, ErrorKind::lost);
}

TEST_F(JobMemoryTest, PagesOfNobodyAreRefused) {
  auto publication = store_.begin(manifest_);
  ASSERT_TRUE(publication);
  auto memory = open(*publication);
  ASSERT_TRUE(memory);
  say_what_it_has(kPages);
  EXPECT_FALSE((*memory)->note_frozen({}));
}

}  // namespace
}  // namespace stasis
