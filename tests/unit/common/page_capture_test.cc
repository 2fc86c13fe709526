// SPDX-License-Identifier: Apache-2.0
// Page captures published and fetched again, through a store on a disk in memory.
#include "common/page_capture.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <random>

#include "common/file_index.h"
#include "common/store.h"
#include "memory_file_system.h"
#include "tests/unit/fetch_whole.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using test::MemoryFileSystem;

const std::string kKeyLine = "k1 " + std::string(64, 'a') + "\n";
const JobKey kJob{"hpc", 1000, 812, 1700000000};

// A process's memory, and its checkpoints as JobMemory makes them.
class PageCaptureTest : public ::testing::Test {
 protected:
  PageCaptureTest() {
    EXPECT_TRUE(disk_->make_directory("/scratch", 0755));
    for (int i = 0; i < 600; ++i) memory_.push_back(page(i));
  }

  static std::string page(int number) {
    std::minstd_rand random(static_cast<unsigned>(number) + 1);
    std::string bytes(kPageSize, '\0');
    std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
    return bytes;
  }

  // Returns what was written to the store for it.
  Result<std::uint64_t> checkpoint(std::uint32_t number) {
    const TempDirectory local;
    Manifest m;
    m.job = kJob;
    m.part = "batch";
    m.number = number;
    m.gid = 1000;
    m.node = "n1";
    PageMap map;
    if (previous_) {
      STASIS_LET(map, store_.memory_map(*previous_));
    }
    STASIS_LET(PageIndex index,
               PageIndex::open(index_directory_.path() + "/pages", previous_ ? identity_of(*previous_) : "", 600));
    STASIS_LET(Publication publication, store_.begin(m));
    STASIS_LET(PageSealer sealer, PageSealer::make(store_.keys()));
    PageCapture capture(
        index, number, [&] { return publication.create(page_file_name(number)); }, {1, 3}, std::move(sealer));
    const TempDirectory dumped;
    for (const auto& one : learned_) STASIS_TRY(capture.learn(one.data(), 1, [](PagePlace) {}));
    if (holds_back_) {
      capture.hold_back(UniqueFd(::open((dumped / "aside").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
    }
    const std::string all = whole();
    const std::size_t half = memory_.size() / 2;
    STASIS_TRY(capture.add_pages("pages-1.img", nullptr, 0));
    STASIS_TRY(capture.add_pages("pages-1.img", all.data(), half));
    STASIS_TRY(capture.add_pages("pages-1.img", all.data() + half * kPageSize, memory_.size() - half));
    EXPECT_EQ(capture.pages_of("pages-1.img"), memory_.size());
    STASIS_TRY(capture.correct("pages-1.img", corrected_));
    for (const auto& [at, page] : corrected_) memory_[at] = page;
    new_ = capture.new_pages();
    STASIS_LET(const PageMap made, capture.finish(map));
    local.write("memory", std::string(std::string_view(write_page_map(made))));
    for (const auto& [generation, file] : made.files) {
      const std::string name = page_file_name(generation);
      m.streams.push_back(generation == number ? ManifestStream{name, describe_page_file(file), name, 0, number}
                                               : *previous_->stream(name));
    }
    STASIS_LET(const Generation generation, publication.publish(local.fd(), m));
    STASIS_LET(previous_, store_.read(generation, kJob, "batch"));
    STASIS_TRY(index.keep(identity_of(*previous_), made.use()));
    return generation.bytes;
  }

  Result<std::string> fetch(std::uint32_t number) const {
    const TempDirectory into;
    STASIS_LET(const auto all, store_.generations(kJob, "batch"));
    for (const auto& generation : all) {
      if (generation.number != number) continue;
      STASIS_TRY(store_.verify(generation, kJob, "batch"));
      STASIS_TRY(fetch_whole(store_, generation, kJob, "batch", into.fd()));
      return into.read("pages-1.img");
    }
    return fail(ErrorKind::not_found, "no such generation");
  }
  std::string whole() const {
    std::string text;
    for (const auto& one : memory_) text += one;
    return text;
  }

  std::shared_ptr<MemoryFileSystem> disk_ = std::make_shared<MemoryFileSystem>();
  CheckpointStore store_{"/scratch", *Keys::parse(kKeyLine), disk_};
  TempDirectory index_directory_;
  std::vector<std::string> memory_;
  std::optional<Manifest> previous_;
  std::uint64_t new_ = 0;
  // As from a job that stands still, after these from the running one.
  bool holds_back_ = false;
  std::vector<std::string> learned_;
  std::map<std::uint64_t, std::string> corrected_;
};

TEST_F(PageCaptureTest, MemoryComesBackAsItWas) {
  memory_[3] = memory_[4] = std::string(kPageSize, '\0');
  memory_[7] = memory_[9];
  const auto bytes = checkpoint(1);
  ASSERT_TRUE(bytes) << bytes.error().message;
  const auto fetched = fetch(1);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, whole());
}

TEST_F(PageCaptureTest, WhatHasNotChangedIsNotStoredAgain) {
  ASSERT_TRUE(checkpoint(1));
  EXPECT_EQ(new_, 600U);
  const auto same = checkpoint(2);
  ASSERT_TRUE(same);
  EXPECT_EQ(new_, 0U);
  EXPECT_LT(*same, 8192U);
  for (int i = 100; i < 130; ++i) memory_[static_cast<std::size_t>(i)] = page(1000 + i);
  const auto little = checkpoint(3);
  ASSERT_TRUE(little);
  EXPECT_EQ(new_, 30U);
  EXPECT_LT(*little, 31 * kPageSize + 8192U);
  const auto fetched = fetch(3);
  ASSERT_TRUE(fetched) << fetched.error().message;
  EXPECT_EQ(*fetched, whole());
}

TEST_F(PageCaptureTest, WhatIsHeldBackComesBackAsItWas) {
  holds_back_ = true;
  // The last batch is not a whole one, nor is the last block of what is put aside.
  for (int i = 600; i < 2100; ++i) memory_.push_back(page(i));
  memory_[3] = memory_[1000] = std::string(kPageSize, '\0');
  memory_[7] = memory_[2099];
  ASSERT_TRUE(checkpoint(1));
  EXPECT_EQ(*fetch(1), whole());
  memory_[1999] = page(9999);
  ASSERT_TRUE(checkpoint(2));
  EXPECT_EQ(new_, 1U);
  EXPECT_EQ(*fetch(2), whole());
}

TEST_F(PageCaptureTest, WhatTheRunningJobHadIsNotStoredAgain) {
  holds_back_ = true;
  learned_ = memory_;
  for (std::size_t i = 10; i < 15; ++i) memory_[i] = page(static_cast<int>(i) + 9000);
  ASSERT_TRUE(checkpoint(1));
  EXPECT_EQ(new_, 605U);
  EXPECT_EQ(*fetch(1), whole());
}

TEST_F(PageCaptureTest, WhatIsCorrectedIsWhatCounts) {
  holds_back_ = true;
  const std::string zeros(kPageSize, '\0');
  corrected_ = {{0, page(8000)}, {299, zeros}, {300, page(8001)}, {301, page(5)}, {599, page(8002)}};
  ASSERT_TRUE(checkpoint(1));
  EXPECT_EQ(*fetch(1), whole());
  EXPECT_EQ(new_, 603U);
}

TEST_F(PageCaptureTest, OlderGenerationsGoAndTheirPagesStay) {
  ASSERT_TRUE(checkpoint(1));
  for (std::uint32_t number = 2; number < 6; ++number) {
    memory_[number] = page(static_cast<int>(5000 + number));
    ASSERT_TRUE(checkpoint(number));
    ASSERT_TRUE(store_.prune(kJob, "batch", 1));
    const auto fetched = fetch(number);
    ASSERT_TRUE(fetched) << fetched.error().message;
    EXPECT_EQ(*fetched, whole());
  }
  EXPECT_FALSE(fetch(1));
}

TEST_F(PageCaptureTest, AFailedCheckpointHarmsNoLaterOne) {
  ASSERT_TRUE(checkpoint(1));
  memory_[5] = page(7000);
  disk_->fail_from(12, ErrorKind::no_space);
  ASSERT_FALSE(checkpoint(2));
  disk_->heal();
  // The same number, other pages.
  memory_[5] = page(7001);
  ASSERT_TRUE(checkpoint(2));
  EXPECT_EQ(*fetch(2), whole());
  memory_[6] = page(7000);
  ASSERT_TRUE(checkpoint(3));
  EXPECT_EQ(*fetch(3), whole());
}

TEST_F(PageCaptureTest, DamageToASharedPageIsFound) {
  ASSERT_TRUE(checkpoint(1));
  ASSERT_TRUE(checkpoint(2));
  for (const auto& path : disk_->all_files()) {
    if (path.ends_with("shared-pages-1")) disk_->contents(path)[1000] ^= 1;
  }
  const auto fetched = fetch(2);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().kind, ErrorKind::corrupt);
}

TEST_F(PageCaptureTest, ABlockInThePlaceOfAnotherIsFound) {
  // All alike in size, and none compressed.
  for (int i = 600; i < 768; ++i) memory_.push_back(page(i));
  ASSERT_TRUE(checkpoint(1));
  constexpr std::size_t kBlock = kBlockPages * kPageSize;
  for (const auto& path : disk_->all_files()) {
    if (!path.ends_with("shared-pages-1")) continue;
    std::string& bytes = disk_->contents(path);
    ASSERT_EQ(bytes.size(), 3 * kBlock);
    bytes = bytes.substr(kBlock, kBlock) + bytes.substr(0, kBlock) + bytes.substr(2 * kBlock);
  }
  const auto fetched = fetch(1);
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().kind, ErrorKind::corrupt);
}

TEST_F(PageCaptureTest, WhatIsSealedWithAKeyThatIsGoneIsRefusedByItsName) {
  ASSERT_TRUE(checkpoint(1));
  ASSERT_TRUE(previous_);
  const auto map = store_.memory_map(*previous_);
  ASSERT_TRUE(map);
  const auto sealer = PageSealer::open(*Keys::parse("k2 " + std::string(64, 'a') + "\n"), map->files.at(1).seal);
  ASSERT_FALSE(sealer);
  EXPECT_EQ(sealer.error().kind, ErrorKind::unsupported);
  EXPECT_NE(sealer.error().message.find("k1"), std::string::npos);
}

TEST_F(PageCaptureTest, WhoeverFetchesSeesWhereEachPageIs) {
  ASSERT_TRUE(checkpoint(1));
  const TempDirectory into;
  std::mutex guard;
  std::map<std::string, PagePlace> seen;
  const auto all = store_.generations(kJob, "batch");
  ASSERT_TRUE(fetch_whole(store_, all->front(), kJob, "batch", into.fd(),
                          [&](PagePlace first, const char* data, std::size_t count) {
                            const std::lock_guard lock(guard);
                            for (std::uint32_t i = 0; i < count; ++i) {
                              seen[std::string(data + i * kPageSize, kPageSize)] = {first.generation, first.page + i};
                            }
                          }));
  ASSERT_EQ(seen.size(), 600U);
  for (std::uint32_t i = 0; i < 600; ++i) EXPECT_EQ(seen[memory_[i]], (PagePlace{1, i}));
}

// Criu restores a process before its children, and its names are numbers.
TEST_F(PageCaptureTest, ImagesAreFilledInTheOrderInWhichTheyAreWanted) {
  const TempDirectory into;
  ASSERT_TRUE(checkpoint(1));
  auto fetched = store_.fetch_all_but_memory(store_.generations(kJob, "batch")->front(), kJob, "batch", into.fd());
  ASSERT_TRUE(fetched) << fetched.error().message;
  // The last of the three blocks is the first image's, and the first one the last's.
  fetched->map.images = {{"pages-1.img", {{1, 2 * kBlockPages, 88}}},
                         {"pages-10.img", {{1, 0, kBlockPages}}},
                         {"pages-2.img", {{1, kBlockPages, kBlockPages}}}};
  ImageProgress progress(fetched->map);
  std::vector<std::uint32_t> seen;
  const PageObserver observer = [&](PagePlace first, const char*, std::size_t) { seen.push_back(first.page); };
  ASSERT_TRUE(store_.fetch_memory(*fetched, *into_whole_images(fetched->map, into.fd()), observer, progress, 1));
  EXPECT_EQ(seen, (std::vector<std::uint32_t>{2 * kBlockPages, kBlockPages, 0}));
}

TEST_F(PageCaptureTest, WhoeverWaitsForWhatCannotBeFetchedIsTold) {
  ASSERT_TRUE(checkpoint(1));
  const auto all = store_.generations(kJob, "batch");
  for (const int operation : {1, 2, 3}) {
    const TempDirectory into;
    auto fetched = store_.fetch_all_but_memory(all->front(), kJob, "batch", into.fd());
    ASSERT_TRUE(fetched) << fetched.error().message;
    ImageProgress progress(fetched->map);
    disk_->fail_at(operation, ErrorKind::failed);
    ASSERT_FALSE(store_.fetch_memory(*fetched, into_segments(into.fd(), progress), {}, progress, 2)) << operation;
    EXPECT_FALSE(progress.wait_beyond("pages-1.img", 0)) << operation;
  }
}

TEST_F(PageCaptureTest, WhatNobodyWaitsForAnyMoreIsNotFetchedToItsEnd) {
  for (int i = 600; i < 5000; ++i) memory_.push_back(page(i));
  ASSERT_TRUE(checkpoint(1));
  const auto all = store_.generations(kJob, "batch");
  const TempDirectory into;
  auto fetched = store_.fetch_all_but_memory(all->front(), kJob, "batch", into.fd());
  ASSERT_TRUE(fetched) << fetched.error().message;
  ImageProgress progress(fetched->map);
  std::atomic<std::size_t> blocks{0};
  const PageObserver observer = [&](PagePlace, const char*, std::size_t) {
    ++blocks;
    progress.fail({ErrorKind::lost, "nobody reads it any more"});
  };
  const auto done = store_.fetch_memory(*fetched, into_segments(into.fd(), progress), observer, progress, 2);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, ErrorKind::lost);
  EXPECT_LT(blocks, fetched->map.files.at(1).blocks.size());
}

}  // namespace
}  // namespace stasis
