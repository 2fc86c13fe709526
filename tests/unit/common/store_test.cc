// SPDX-License-Identifier: Apache-2.0
#include "common/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <map>

#include "memory_file_system.h"
#include "tests/unit/fetch_whole.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using test::Loss;
using test::MemoryFileSystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const std::string kKeyLine = "k1 " + std::string(64, 'a') + "\n";
const JobKey kJob{"hpc", 1000, 812, 1700000000};
const std::string kPart = "batch";
const std::string kPartPath = "/scratch/hpc/1000/812-1700000000/batch";

using Images = std::map<std::string, std::string>;

class Store : public ::testing::Test {
 protected:
  // The storage exists and is durable before anything happens.
  Store() {
    EXPECT_TRUE(disk_->make_directory("/scratch", 0755));
    EXPECT_TRUE(disk_->sync_directory("/"));
  }

  static Manifest manifest(std::uint32_t number, const JobKey& job = kJob) {
    Manifest m;
    m.job = job;
    m.part = kPart;
    m.number = number;
    m.gid = 1000;
    m.node = "n1";
    return m;
  }

  // What generation `number` of these tests holds.
  static Images images_of(std::uint32_t number) {
    const std::string digit = std::to_string(number);
    return {{"core-1.img", "core " + digit}, {"empty.img", ""}, {"pages-1.img", std::string(70000, 'p') + digit}};
  }

  Result<Generation> publish(std::uint32_t number, const Images& images, Manifest m, Compression compression = {}) {
    const TempDirectory local;
    for (const auto& [name, contents] : images) local.write(name, contents);
    m.number = number;
    return store_.publish(local.fd(), std::move(m), compression);
  }
  Result<Generation> publish(std::uint32_t number) { return publish(number, images_of(number), manifest(number)); }

  // The images that a restore would get, or why not.
  Result<Images> fetch(const Generation& generation, const JobKey& job = kJob) {
    const TempDirectory local;
    STASIS_LET(const Manifest m, fetch_whole(store_, generation, job, kPart, local.fd()));
    Images images;
    for (const auto& entry : std::filesystem::directory_iterator(local.path())) {
      images[entry.path().filename()] = local.read(entry.path().filename());
    }
    EXPECT_EQ(images.size(), m.streams.size());
    return images;
  }

  // The number of the newest generation, having looked at all of its bytes; 0: there is none.
  std::uint32_t newest_whole() {
    const auto newest = store_.newest(kJob, kPart);
    EXPECT_TRUE(newest) << newest.error().message;
    if (!newest || !*newest) return 0;
    const auto images = fetch(**newest);
    EXPECT_TRUE(images) << images.error().message;
    if (images) {
      EXPECT_EQ(*images, images_of((*newest)->number));
    }
    return (*newest)->number;
  }

  std::shared_ptr<MemoryFileSystem> disk_ = std::make_shared<MemoryFileSystem>();
  CheckpointStore store_{"/scratch", *Keys::parse(kKeyLine), disk_};
};

TEST_F(Store, HasNothingAtFirst) {
  EXPECT_THAT(*store_.generations(kJob, kPart), IsEmpty());
  EXPECT_FALSE(store_.newest(kJob, kPart)->has_value());
  EXPECT_THAT(*store_.jobs("hpc", 1000, 812), IsEmpty());
}

TEST_F(Store, GivesBackWhatWasPublished) {
  for (const int level : {0, 1, 19}) {
    const auto number = static_cast<std::uint32_t>(level + 1);
    const auto published = publish(number, images_of(number), manifest(number), {level, 2});
    ASSERT_TRUE(published) << published.error().message;
    EXPECT_EQ(*fetch(*published), images_of(number));
    EXPECT_GT(published->bytes, 0u);
    EXPECT_EQ(published->bytes<70000, level> 0);
  }
  EXPECT_EQ(store_.generations(kJob, kPart)->size(), 3u);
}

TEST_F(Store, LargeStreamsAreCompressedByThreadsAndKeepTheirHoles) {
  std::string large(20 << 20, '\0');
  for (std::size_t i = 0; i < large.size(); i += 8192) large[i] = static_cast<char>(i / 8192 * 7 + 1);
  const auto published = publish(1, {{"pages-1.img", large}}, manifest(1), {1, 4});
  ASSERT_TRUE(published);
  const TempDirectory local;
  ASSERT_TRUE(fetch_whole(store_, *published, kJob, kPart, local.fd()));
  EXPECT_EQ(local.read("pages-1.img"), large);
  struct stat status {};
  ASSERT_EQ(::stat((local / "pages-1.img").c_str(), &status), 0);
  EXPECT_LE(status.st_blocks * 512, static_cast<off_t>(large.size() * 3 / 4));
}

TEST_F(Store, OldJobsWithTheSameIdAreOthers) {
  ASSERT_TRUE(publish(1));
  JobKey later = kJob;
  later.first_start += 86400;
  ASSERT_TRUE(publish(1, {{"a", "later"}}, manifest(1, later)));
  EXPECT_THAT(*store_.jobs("hpc", 1000, 812), ElementsAre(kJob, later));
  EXPECT_THAT(*store_.all_jobs("hpc"), UnorderedElementsAre(kJob, later));
  EXPECT_EQ(newest_whole(), 1u);
}

TEST_F(Store, ANumberIsPublishedOnce) {
  ASSERT_TRUE(publish(1));
  const auto again = publish(1);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::busy);
  EXPECT_EQ(newest_whole(), 1u);
}

TEST_F(Store, AnyFlippedBitIsFound) {
  const auto published = publish(1);
  for (const auto& file : disk_->all_files()) {
    const std::string whole = disk_->contents(file);
    for (std::size_t at = 0; at < whole.size(); at += 1 + whole.size() / 200) {
      disk_->contents(file)[at] = static_cast<char>(whole[at] ^ (1 << (at % 8)));
      const auto images = fetch(*published);
      // zstd's frames have a few bits that mean nothing.
      if (images) {
        ASSERT_EQ(*images, images_of(1)) << file << " at " << at;
      } else {
        EXPECT_THAT(images.error().kind, testing::AnyOf(ErrorKind::corrupt, ErrorKind::unsupported)) << file << at;
        EXPECT_FALSE(store_.verify(*published, kJob, kPart));
      }
      disk_->contents(file) = whole;
    }
  }
  EXPECT_EQ(newest_whole(), 1u);
}

TEST_F(Store, AnythingCutOffOrMissingIsFound) {
  const auto published = publish(1);
  for (const auto& file : disk_->all_files()) {
    const std::string whole = disk_->contents(file);
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 300) {
      disk_->contents(file) = whole.substr(0, size);
      ASSERT_FALSE(fetch(*published)) << file << " cut at " << size;
    }
    ASSERT_TRUE(disk_->remove(file));
    const auto images = fetch(*published);
    ASSERT_FALSE(images);
    EXPECT_EQ(images.error().kind, ErrorKind::corrupt) << images.error().message;
    disk_->add_file(file, whole);
  }
  EXPECT_EQ(newest_whole(), 1u);
}

TEST_F(Store, FilesThatTheManifestDoesNotNameAreNotFetched) {
  const auto published = publish(1);
  disk_->add_file(published->directory + "/core-666.img", "planted");
  disk_->contents(published->directory + "/pack") += "appended";
  EXPECT_EQ(*fetch(*published), images_of(1));
}

TEST_F(Store, AGenerationInAPlaceNotItsOwnIsRefused) {
  ASSERT_TRUE(publish(1));
  const auto copy_to = [&](const std::string& directory) {
    for (const std::string name : {"/manifest", "/pack"}) {
      disk_->add_file(directory + name, disk_->contents(kPartPath + "/gen-000001" + name));
    }
  };
  // An old one under a new number.
  ASSERT_TRUE(disk_->make_directory(kPartPath + "/gen-000009", 0700));
  copy_to(kPartPath + "/gen-000009");
  EXPECT_EQ(fetch({9, kPartPath + "/gen-000009"}).error().kind, ErrorKind::corrupt);
  EXPECT_EQ(newest_whole(), 1u);
  // Another job's, user's and cluster's.
  for (const JobKey& other : {JobKey{"hpc", 1000, 813, 1700000000}, JobKey{"hpc", 1001, 812, 1700000000},
                              JobKey{"gpu", 1000, 812, 1700000000}, JobKey{"hpc", 1000, 812, 1700000001}}) {
    ASSERT_TRUE(publish(2, {{"a", "b"}}, manifest(2, other)));
    const std::string place = store_.job_directory(other) + "/batch/gen-000001";
    ASSERT_TRUE(disk_->make_directory(place, 0700));
    copy_to(place);
    const auto images = fetch({1, place}, other);
    ASSERT_FALSE(images);
    EXPECT_THAT(images.error().message, HasSubstr("of another checkpoint"));
  }
}

TEST_F(Store, TheOneBeforeServesWhenTheNewestIsDamaged) {
  ASSERT_TRUE(publish(1));
  ASSERT_TRUE(publish(2));
  disk_->contents(kPartPath + "/gen-000002/manifest")[200] ^= 1;
  EXPECT_EQ(newest_whole(), 1u);
  disk_->contents(kPartPath + "/gen-000001/manifest").clear();
  const auto newest = store_.newest(kJob, kPart);
  ASSERT_FALSE(newest);
  EXPECT_THAT(newest.error().message, HasSubstr("checkpoint 2"));
}

TEST_F(Store, WhateverFailsTheOldOrTheNewOneIsWhole) {
  for (const auto kind : {ErrorKind::no_space, ErrorKind::failed, ErrorKind::denied}) {
    for (int operation = 1;; ++operation) {
      SCOPED_TRACE(operation);
      disk_->heal();
      ASSERT_TRUE(store_.remove(kJob));
      ASSERT_TRUE(publish(1));
      const auto before = disk_->everything();
      disk_->fail_at(operation, kind);
      const auto published = publish(2);
      const bool was_hit = disk_->operations() >= operation;
      disk_->heal();
      EXPECT_EQ(newest_whole(), published ? 2u : 1u);
      // Nothing is left behind, unless it was the clearing up that failed.
      if (!published && disk_->everything() != before) {
        ASSERT_TRUE(publish(2));
        ASSERT_TRUE(store_.prune(kJob, kPart, 2));
        EXPECT_EQ(disk_->everything().size(), before.size() + 3);
      }
      if (!was_hit) break;
    }
  }
}

TEST_F(Store, ADiskThatStaysBrokenLeavesTheOldOne) {
  for (int operation = 1;; ++operation) {
    disk_->heal();
    ASSERT_TRUE(store_.remove(kJob));
    ASSERT_TRUE(publish(1));
    disk_->fail_from(operation, ErrorKind::no_space);
    const auto published = publish(2);
    const bool was_hit = disk_->operations() >= operation;
    disk_->heal();
    const auto newest = newest_whole();
    EXPECT_THAT(newest, testing::AnyOf(1u, 2u)) << operation;
    if (published) {
      EXPECT_EQ(newest, 2u);
    }
    ASSERT_TRUE(publish(3));
    ASSERT_TRUE(store_.prune(kJob, kPart, 1));
    EXPECT_EQ(newest_whole(), 3u);
    EXPECT_EQ(disk_->list(kPartPath)->size(), 1u);
    if (!was_hit) break;
  }
}

TEST_F(Store, APowerCutLeavesTheOldOrTheNewOneWhole) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    const Loss loss = seed == 0 ? Loss::everything_unsynced : Loss::some_of_the_unsynced;
    for (int operation = 1;; ++operation) {
      SCOPED_TRACE(std::to_string(operation) + " seed " + std::to_string(seed));
      disk_->heal();
      ASSERT_TRUE(store_.remove(kJob));
      ASSERT_TRUE(publish(1));
      disk_->cut_power_after(operation);
      const auto published = publish(2);
      if (published) (void)store_.prune(kJob, kPart, 1);
      const bool was_hit = disk_->operations() > operation;
      disk_->power_back(loss, seed);
      const auto newest = newest_whole();
      EXPECT_THAT(newest, testing::AnyOf(1u, 2u));
      if (published) {
        EXPECT_EQ(newest, 2u) << "durable on return";
      }
      // Life goes on, and what was left is cleared away.
      ASSERT_TRUE(publish(3));
      ASSERT_TRUE(store_.prune(kJob, kPart, 1));
      EXPECT_EQ(disk_->list(kPartPath)->size(), 1u);
      if (!was_hit) break;
    }
  }
}

TEST_F(Store, APowerCutDuringTheFirstOneLeavesNoneOrIt) {
  for (int operation = 1;; ++operation) {
    disk_->heal();
    ASSERT_TRUE(disk_->remove("/scratch/hpc"));
    ASSERT_TRUE(disk_->sync_directory("/scratch"));
    disk_->cut_power_after(operation);
    const auto published = publish(1);
    const bool was_hit = disk_->operations() > operation;
    disk_->power_back(Loss::everything_unsynced);
    EXPECT_EQ(newest_whole(), published ? 1u : newest_whole()) << operation;
    if (!was_hit) break;
  }
}

TEST_F(Store, PruneKeepsTheNewest) {
  for (std::uint32_t number = 1; number <= 5; ++number) ASSERT_TRUE(publish(number));
  ASSERT_TRUE(store_.prune(kJob, kPart, 2));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("gen-000004", "gen-000005"));
  ASSERT_TRUE(store_.prune(kJob, kPart, 0));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("gen-000005"));
  EXPECT_EQ(newest_whole(), 5u);
}

TEST_F(Store, PruneLeavesFormatsItDoesNotKnow) {
  for (std::uint32_t number = 1; number <= 4; ++number) ASSERT_TRUE(publish(number));
  std::string& text = disk_->contents(kPartPath + "/gen-000001/manifest");
  text.replace(0, text.find('\n'), "stasis-manifest 2 something else altogether");
  EXPECT_EQ(store_.read({1, kPartPath + "/gen-000001"}, kJob, kPart).error().kind, ErrorKind::unsupported);
  ASSERT_TRUE(store_.prune(kJob, kPart, 1));
  // The unknown one may use files of any other, so those stay as bases.
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("base-000002", "base-000003", "gen-000001", "gen-000004"));
  EXPECT_EQ(newest_whole(), 4u);
}

TEST_F(Store, StreamsAreTakenOverAndOutliveTheirGeneration) {
  ASSERT_TRUE(publish(1, {{"a", "1"}, {"shared-1", "kept"}, {"shared-1b", "not kept"}}, manifest(1)));
  Manifest second = manifest(2);
  second.streams = {*store_.read({1, kPartPath + "/gen-000001"}, kJob, kPart)->stream("shared-1")};
  ASSERT_TRUE(publish(2, {{"a", "2"}, {"shared-2", "new"}}, second));
  ASSERT_TRUE(store_.prune(kJob, kPart, 1));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("base-000001", "gen-000002"));
  EXPECT_THAT(*disk_->list(kPartPath + "/base-000001"), ElementsAre("shared-1"));
  const Images expected{{"a", "2"}, {"shared-1", "kept"}, {"shared-2", "new"}};
  EXPECT_EQ(*fetch({2, kPartPath + "/gen-000002"}), expected);
  // Nobody uses it any more.
  ASSERT_TRUE(publish(3, {{"a", "3"}}, manifest(3)));
  ASSERT_TRUE(store_.prune(kJob, kPart, 1));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("gen-000003"));
}

TEST_F(Store, WhatIsLostCannotBeTakenOver) {
  ASSERT_TRUE(publish(1, {{"shared-1", "kept"}}, manifest(1)));
  Manifest second = manifest(2);
  second.streams = store_.read({1, kPartPath + "/gen-000001"}, kJob, kPart)->streams;
  ASSERT_TRUE(disk_->remove(kPartPath + "/gen-000001/shared-1"));
  EXPECT_FALSE(publish(2, {{"a", "2"}}, second));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("gen-000001"));
}

TEST_F(Store, PruneCutOffAnywhereHarmsNothing) {
  for (int operation = 1;; ++operation) {
    disk_->heal();
    ASSERT_TRUE(store_.remove(kJob));
    ASSERT_TRUE(publish(1, {{"a", "1"}, {"shared-1", "kept"}}, manifest(1)));
    for (std::uint32_t number = 2; number <= 3; ++number) {
      Manifest next = manifest(number);
      next.streams = {*store_.read({1, kPartPath + "/gen-000001"}, kJob, kPart)->stream("shared-1")};
      ASSERT_TRUE(publish(number, {{"a", std::to_string(number)}}, next));
    }
    disk_->cut_power_after(operation);
    (void)store_.prune(kJob, kPart, 1);
    const bool was_hit = disk_->operations() > operation;
    disk_->power_back(Loss::some_of_the_unsynced, static_cast<unsigned>(operation));
    EXPECT_EQ((*fetch({3, kPartPath + "/gen-000003"}))["shared-1"], "kept") << operation;
    const auto pruned = store_.prune(kJob, kPart, 1);
    ASSERT_TRUE(pruned) << pruned.error().message;
    EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("base-000001", "gen-000003"));
    if (!was_hit) break;
  }
}

TEST_F(Store, APublicationUnderWayIsNotPruned) {
  ASSERT_TRUE(publish(1));
  for (const char* name : {"/.gen-000001.n9", "/.gen-000002.n2"})
    ASSERT_TRUE(disk_->make_directory(kPartPath + name, 0700));
  ASSERT_TRUE(store_.prune(kJob, kPart, 1));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre(".gen-000002.n2", "gen-000001"));
}

TEST_F(Store, RemovesAJobAndFinishesWhatWasCutOff) {
  ASSERT_TRUE(publish(1));
  disk_->fail_at(8, ErrorKind::failed);
  EXPECT_FALSE(store_.remove(kJob));
  disk_->heal();
  EXPECT_THAT(*store_.jobs("hpc", 1000, 812), IsEmpty()) << "out of sight at once";
  EXPECT_THAT(*store_.all_jobs("hpc"), ElementsAre(kJob)) << "the janitor sees it";
  ASSERT_TRUE(store_.remove(kJob));
  EXPECT_THAT(disk_->all_files(), IsEmpty());
  EXPECT_THAT(*store_.all_jobs("hpc"), IsEmpty());
  ASSERT_TRUE(store_.remove(kJob));
}

TEST_F(Store, RemovesOnePartOnly) {
  ASSERT_TRUE(publish(1));
  ASSERT_TRUE(disk_->make_directory(store_.job_directory(kJob) + "/0.1", 0700));
  ASSERT_TRUE(store_.remove_part(kJob, "0.1"));
  EXPECT_THAT(*disk_->list(store_.job_directory(kJob)), ElementsAre("batch"));
}

TEST_F(Store, IsWrittenAsTheUserWhereRootIsNobody) {
  ASSERT_TRUE(disk_->make_directory("/scratch/hpc", 01777));
  disk_->squash_root();
  const auto published = publish(1);
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_EQ((*disk_->directory_facts("/scratch/hpc/1000"))->uid, 1000u);
  EXPECT_EQ(newest_whole(), 1u);
  ASSERT_TRUE(publish(2));
  ASSERT_TRUE(store_.prune(kJob, kPart, 1));
  EXPECT_THAT(*disk_->list(kPartPath), ElementsAre("gen-000002"));
  ASSERT_TRUE(store_.remove(kJob));
  EXPECT_THAT(disk_->all_files(), IsEmpty());
}

TEST_F(Store, MakesItselfReadyForUsersWhereRootIsNobody) {
  ASSERT_TRUE(disk_->set_mode("/scratch", 01777));
  disk_->squash_root();
  const auto published = publish(1);
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_EQ((*disk_->directory_facts("/scratch/hpc"))->uid, 65534u);
  EXPECT_EQ((*disk_->directory_facts("/scratch/hpc/1000"))->uid, 1000u);
  Manifest others = manifest(1, {"hpc", 1001, 813, 1700000000});
  ASSERT_TRUE(publish(1, images_of(1), others)) << "another user finds his place beside";
}

TEST_F(Store, OpensWhatAnotherNodeHasNotOpenedToUsersYet) {
  ASSERT_TRUE(disk_->set_mode("/scratch", 01777));
  disk_->squash_root();
  ASSERT_TRUE(disk_->make_directory("/scratch/hpc", 0711)) << "as another node has just made it";
  const auto published = publish(1);
  ASSERT_TRUE(published) << published.error().message;
}

// A disk where another node makes the user's directory, and writes there, while ours still finds out how to.
class AnotherNodeIsFaster : public MemoryFileSystem {
 public:
  Result<bool> make_directory(const std::string& path, mode_t mode) override {
    if (!raced_ && path.starts_with("/scratch/hpc/")) {
      raced_ = true;
      const auto user = acting_as(1000, 1000);
      EXPECT_TRUE(user->make_directory("/scratch/hpc/1000", 0700));
      EXPECT_TRUE(user->create("/scratch/hpc/1000/theirs"));
    }
    return MemoryFileSystem::make_directory(path, mode);
  }

 private:
  bool raced_ = false;
};

TEST_F(Store, LeavesWhatAnotherNodeHasJustMadeForTheUser) {
  auto disk = std::make_shared<AnotherNodeIsFaster>();
  ASSERT_TRUE(disk->MemoryFileSystem::make_directory("/scratch", 01777));
  ASSERT_TRUE(disk->MemoryFileSystem::make_directory("/scratch/hpc", 01777));
  disk->squash_root();
  store_ = CheckpointStore("/scratch", *Keys::parse(kKeyLine), disk);
  const auto published = publish(1);
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_THAT(*disk->list("/scratch/hpc"), ElementsAre("1000"));
  EXPECT_THAT(*disk->list("/scratch/hpc/1000"), ElementsAre("812-1700000000", "theirs"));
}

// A server that tells root, who is nobody there, nothing about what only its user may read.
class TellsRootNothing : public MemoryFileSystem {
 public:
  Result<std::optional<DirectoryFacts>> directory_facts(const std::string& path) override {
    if (path == "/scratch/hpc/1000") return fail(ErrorKind::denied, "stat " + path);
    return MemoryFileSystem::directory_facts(path);
  }
};

TEST_F(Store, AsksTheUserForWhatRootIsNotTold) {
  auto disk = std::make_shared<TellsRootNothing>();
  ASSERT_TRUE(disk->MemoryFileSystem::make_directory("/scratch", 01777));
  disk->squash_root();
  store_ = CheckpointStore("/scratch", *Keys::parse(kKeyLine), disk);
  ASSERT_TRUE(publish(1));
  const auto second = publish(2);
  ASSERT_TRUE(second) << second.error().message;
  ASSERT_TRUE(store_.remove(kJob));
  EXPECT_THAT(*disk->list("/scratch/hpc/1000"), IsEmpty());
}

TEST_F(Store, AUserCannotBeInTheWayOfAnother) {
  ASSERT_TRUE(disk_->make_directory("/scratch/hpc", 01777));
  disk_->squash_root();
  // Not by guessing the name under which root finds out who it is.
  const auto stranger = disk_->acting_as(1001, 1001);
  ASSERT_TRUE(stranger->make_directory("/scratch/hpc/.probe-812.batch.n1", 0700));
  ASSERT_TRUE(stranger->create("/scratch/hpc/.probe-812.batch.n1/mine"));
  const auto published = publish(1);
  ASSERT_TRUE(published) << published.error().message;
  EXPECT_EQ((*disk_->directory_facts("/scratch/hpc/1000"))->uid, 1000u);
}

TEST_F(Store, SaysWhatToDoWhereNobodyMayWrite) {
  ASSERT_TRUE(disk_->make_directory("/scratch/hpc", 0755));
  disk_->squash_root();
  const auto published = publish(1);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().kind, ErrorKind::denied);
  EXPECT_THAT(published.error().message, HasSubstr("make it with mode 1777"));
}

TEST_F(Store, AnotherUsersDirectoryIsATrap) {
  ASSERT_TRUE(disk_->make_directory("/scratch/hpc", 01777));
  ASSERT_TRUE(disk_->acting_as(1001, 1001)->make_directory("/scratch/hpc/1000", 0777));
  const auto published = publish(1);
  ASSERT_FALSE(published);
  EXPECT_EQ(published.error().kind, ErrorKind::denied);
  EXPECT_FALSE(store_.generations(kJob, kPart));
}

TEST_F(Store, NumbersBeyondSixDigitsStayInOrder) {
  ASSERT_TRUE(publish(999999));
  ASSERT_TRUE(publish(1000000));
  EXPECT_EQ(newest_whole(), 1000000u);
}

// ---- restores that failed

TEST_F(Store, CountsTheRestoresThatFailedUntilOneWorks) {
  ASSERT_TRUE(publish(1));
  EXPECT_EQ(store_.note_failed_restore(kJob, kPart, 1, "n1"), 1);
  EXPECT_EQ(store_.note_failed_restore(kJob, kPart, 2, "n2"), 2);
  EXPECT_EQ(store_.note_failed_restore(kJob, kPart, 2, "n2"), 2) << "the same attempt, told once more";
  EXPECT_EQ(newest_whole(), 1U);
  ASSERT_TRUE(store_.prune(kJob, kPart, 2));
  EXPECT_EQ(store_.note_failed_restore(kJob, kPart, 3, "../n3"), 3);
  ASSERT_TRUE(store_.forget_failed_restores(kJob, kPart));
  EXPECT_EQ(store_.note_failed_restore(kJob, kPart, 4, "n1"), 1);
}

TEST_F(Store, RemembersNodesThatDoNotDo) {
  ASSERT_TRUE(publish(1));
  EXPECT_EQ(store_.unfit_nodes(kJob).value(), (std::vector<std::string>()));
  for (const char* node : {"n2", "n3", "n2"}) ASSERT_TRUE(store_.note_unfit_node(kJob, node));
  auto nodes = store_.unfit_nodes(kJob).value();
  std::sort(nodes.begin(), nodes.end());
  EXPECT_EQ(nodes, (std::vector<std::string>{"n2", "n3"}));
  EXPECT_EQ(store_.parts(kJob).value(), std::vector<std::string>{kPart});
  ASSERT_TRUE(store_.remove(kJob));
  EXPECT_FALSE(store_.note_unfit_node(kJob, "n2")) << "nothing to go on from";
}

}  // namespace
}  // namespace stasis
