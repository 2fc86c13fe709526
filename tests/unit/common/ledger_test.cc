// SPDX-License-Identifier: Apache-2.0
#include "common/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// This process is the tree: what it opens below `work_` is what the job has open.
class LedgerTest : public ::testing::Test {
 protected:
  struct Checkpoint {
    Ledger ledger;
    FileIndex index;
    std::unique_ptr<TempDirectory> images;
    std::uint64_t copied = 0;
  };

  UniqueFd open(const std::string& name, int flags) {
    UniqueFd fd(::open((work_ / name).c_str(), flags | O_CREAT | O_CLOEXEC, 0644));
    EXPECT_TRUE(fd) << name;
    return fd;
  }
  static void put(const UniqueFd& fd, const std::string& text) {
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // What the tree has open below the directory; not what the test program has otherwise.
  std::vector<OpenFile> files() const {
    auto all = open_files({{::getpid(), ::getpid(), ::getppid()}}, user_);
    EXPECT_TRUE(all);
    std::erase_if(*all, [&](const OpenFile& file) { return !file.path.starts_with(work_.path() + "/"); });
    return *all;
  }

  Checkpoint take(std::uint32_t number = 1, const FileIndex& before = {}, std::uint64_t limit = 1 << 20,
                  const std::vector<std::string>& trees = {}) {
    Checkpoint made;
    made.images = std::make_unique<TempDirectory>();
    ArchiveWriter archive(made.images->fd(), number);
    const LedgerOptions options{user_, limit, {}};
    auto ledger = take_ledger(files(), options, before, archive, made.index);
    EXPECT_TRUE(ledger) << ledger.error().message;
    if (ledger) made.ledger = *ledger;
    const auto added = add_trees(made.ledger, "/proc/self/root", trees, options, before, archive, made.index);
    EXPECT_TRUE(added) << added.error().message;
    made.copied = archive.size();
    // Through the text, as a restore sees it.
    const auto read = read_ledger(write_ledger(made.ledger));
    EXPECT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, made.ledger);
    return made;
  }
  Result<void> back(const Checkpoint& made) const { return roll_back(made.ledger, made.images->fd(), user_); }

  const LedgerFile* entry(const Checkpoint& made, const std::string& name) const {
    for (const auto& file : made.ledger.files) {
      if (file.path == work_ / name) return &file;
    }
    return nullptr;
  }

  TempDirectory work_;
  FileIdentity user_{::geteuid(), ::getegid(), {}};
};

TEST_F(LedgerTest, KnowsHowAFileCanBeWritten) {
  const auto appended = open("appended", O_WRONLY | O_APPEND);
  const auto read_too = open("appended", O_RDONLY);
  const auto in_place = open("in_place", O_RDWR);
  const auto both = open("both", O_WRONLY | O_APPEND);
  const auto both_too = open("both", O_WRONLY);
  work_.write("read", "x");
  const auto only_read = open("read", O_RDONLY);
  const auto made = take();
  EXPECT_EQ(entry(made, "appended")->writing, Writing::append);
  EXPECT_EQ(entry(made, "in_place")->writing, Writing::in_place);
  EXPECT_EQ(entry(made, "both")->writing, Writing::in_place);
  EXPECT_EQ(entry(made, "read")->writing, Writing::none);
}

TEST_F(LedgerTest, CutsBackWhatWasAppendedSince) {
  const auto log = open("log", O_WRONLY | O_APPEND);
  put(log, "one\n");
  const auto made = take();
  put(log, "two\n");
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("log"), "one\n");
}

TEST_F(LedgerTest, PutsBackAnOutputFileThatARestartTruncated) {
  const auto log = open("job.out", O_WRONLY | O_APPEND);
  put(log, "one\ntwo\n");
  const auto made = take();
  ASSERT_EQ(::truncate((work_ / "job.out").c_str(), 0), 0);
  put(log, "JOB REQUEUED, some other text\n");
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("job.out"), "one\ntwo\n");
}

TEST_F(LedgerTest, OnlyTheTailOfAGrowingFileIsCopied) {
  const auto log = open("log", O_WRONLY | O_APPEND);
  put(log, std::string(300000, 'a'));
  const auto first = take(1);
  EXPECT_EQ(first.copied, 300000u);
  put(log, "b");
  auto second = take(2, first.index);
  EXPECT_EQ(second.copied, 1u);
  // A restore has both streams.
  std::filesystem::copy_file(*first.images / "shared-1", *second.images / "shared-1");
  ASSERT_EQ(::unlink((work_ / "log").c_str()), 0);
  ASSERT_TRUE(back(second));
  EXPECT_EQ(work_.read("log"), std::string(300000, 'a') + "b");
}

TEST_F(LedgerTest, AFileThatWasReplacedIsNotTakenForAGrownOne) {
  auto log = open("log", O_WRONLY | O_APPEND);
  put(log, std::string(5000, 'a'));
  const auto first = take(1);
  ASSERT_EQ(::ftruncate(log.get(), 0), 0);
  put(log, std::string(6000, 'b'));
  const auto second = take(2, first.index);
  EXPECT_EQ(second.copied, 6000u);
}

TEST_F(LedgerTest, PutsBackWhatWasOverwrittenInPlace) {
  const auto data = open("data", O_RDWR);
  put(data, std::string(100000, 'x'));
  const auto made = take();
  ASSERT_EQ(::pwrite(data.get(), "changed", 7, 50000), 7);
  ASSERT_EQ(::ftruncate(data.get(), 60000), 0);
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("data"), std::string(100000, 'x'));
}

TEST_F(LedgerTest, PutsBackSharedMappings) {
  const auto data = open("mapped", O_RDWR);
  ASSERT_EQ(::ftruncate(data.get(), 8192), 0);
  char* memory = static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, data.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  ::close(const_cast<UniqueFd&>(data).release());  // the mapping is all that is left
  memory[0] = 'a';
  memory[5000] = 'b';
  const auto made = take();
  ASSERT_NE(entry(made, "mapped"), nullptr);
  EXPECT_EQ(entry(made, "mapped")->writing, Writing::in_place);
  memory[0] = 'z';
  ASSERT_TRUE(back(made));
  EXPECT_EQ(memory[0], 'a');
  EXPECT_EQ(memory[5000], 'b');
  ::munmap(memory, 8192);
}

TEST_F(LedgerTest, BringsBackWhatVanishedOrWasRenamed) {
  const auto a = open("dir.tmp", O_RDWR);
  put(a, "half a result");
  ASSERT_EQ(::fchmod(a.get(), 0640), 0);
  const auto made = take();
  ASSERT_EQ(::rename((work_ / "dir.tmp").c_str(), (work_ / "result").c_str()), 0);
  put(a, ", and the rest");
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("dir.tmp"), "half a result");
  struct stat status {};
  ASSERT_EQ(::stat((work_ / "dir.tmp").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640u);
}

TEST_F(LedgerTest, ALargeFileThatWasRenamedGetsItsNameBack) {
  const auto a = open("big.tmp", O_WRONLY | O_APPEND);
  put(a, std::string(5000, 'x'));
  const auto made = take(1, {}, 1000);
  EXPECT_FALSE(entry(made, "big.tmp")->has_copy);
  put(a, "more");
  ASSERT_EQ(::rename((work_ / "big.tmp").c_str(), (work_ / "big").c_str()), 0);
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("big.tmp").size(), 5000u);
}

TEST_F(LedgerTest, RefusesByNameWhatItCannotPutBack) {
  const auto big = open("big.h5", O_RDWR);
  put(big, std::string(5000, 'x'));
  const auto made = take(1, {}, 1000);
  ASSERT_TRUE(back(made)) << "nothing happened to it";
  ASSERT_EQ(::pwrite(big.get(), "y", 1, 0), 1);
  const auto refused = back(made);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unsupported);
  EXPECT_THAT(refused.error().message, HasSubstr("big.h5"));
  EXPECT_THAT(refused.error().message, HasSubstr("file_copy_limit"));
  ASSERT_EQ(::unlink((work_ / "big.h5").c_str()), 0);
  EXPECT_THAT(back(made).error().message, HasSubstr("vanished"));
}

TEST_F(LedgerTest, ASymbolicLinkInAFilesPlaceIsRefused) {
  const auto a = open("a", O_RDWR);
  put(a, "mine");
  const auto made = take();
  work_.write("other", "keep out");
  ASSERT_EQ(::unlink((work_ / "a").c_str()), 0);
  ASSERT_EQ(::symlink("other", (work_ / "a").c_str()), 0);
  EXPECT_FALSE(back(made));
  EXPECT_EQ(work_.read("other"), "keep out");
  ASSERT_EQ(::unlink((work_ / "a").c_str()), 0);
  ASSERT_EQ(::mkfifo((work_ / "a").c_str(), 0600), 0);
  EXPECT_FALSE(back(made)) << "and does not wait for a writer";
}

TEST_F(LedgerTest, FifosSocketsDirectoriesAndDeletedFilesAreLeftAlone) {
  ASSERT_EQ(::mkfifo((work_ / "fifo").c_str(), 0600), 0);
  const UniqueFd fifo(::open((work_ / "fifo").c_str(), O_RDWR | O_CLOEXEC));
  const UniqueFd directory(::open(work_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto deleted = open("deleted", O_RDWR);
  put(deleted, "x");
  ASSERT_EQ(::unlink((work_ / "deleted").c_str()), 0);
  EXPECT_THAT(take().ledger.files, IsEmpty());
}

TEST_F(LedgerTest, FindsTheNameCriuGaveToAFileThatLostItsOwn) {
  const auto a = open("a", O_RDWR);
  put(a, "x");
  ASSERT_EQ(::link((work_ / "a").c_str(), (work_ / "other").c_str()), 0);
  ASSERT_EQ(::unlink((work_ / "a").c_str()), 0);
  EXPECT_THAT(take().ledger.files, IsEmpty());
  ASSERT_EQ(::link((work_ / "other").c_str(), (work_ / "link_remap.1").c_str()), 0);
  const auto made = take();
  ASSERT_NE(entry(made, "link_remap.1"), nullptr);
  ASSERT_EQ(::unlink((work_ / "link_remap.1").c_str()), 0);
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("link_remap.1"), "x");
}

TEST_F(LedgerTest, FindsTheNameCriuGaveToAFileThatWasRemovedOnNfs) {
  const auto removed = open(".nfs000000000000225500000001", O_RDWR);
  put(removed, "x");
  EXPECT_NE(entry(take(), ".nfs000000000000225500000001"), nullptr) << "no dump is under way";
  ASSERT_EQ(::link((work_ / ".nfs000000000000225500000001").c_str(), (work_ / "link_remap.1").c_str()), 0);
  const auto made = take();
  EXPECT_EQ(entry(made, ".nfs000000000000225500000001"), nullptr) << "of no use to criu";
  ASSERT_EQ(::unlink((work_ / ".nfs000000000000225500000001").c_str()), 0);
  ASSERT_EQ(::unlink((work_ / "link_remap.1").c_str()), 0);
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("link_remap.1"), "x");
}

TEST_F(LedgerTest, AJournalThatIsNewerThanItsDatabaseGoes) {
  const auto database = open("db", O_RDWR);
  put(database, "before");
  work_.write("db-wal", "a log of before");
  const auto made = take();
  EXPECT_NE(entry(made, "db-wal"), nullptr) << "closed, and part of the database all the same";
  work_.write("db-journal", "a transaction of after");
  work_.write("db-wal", "a log of after");
  ASSERT_TRUE(back(made));
  EXPECT_FALSE(work_.has("db-journal"));
  EXPECT_EQ(work_.read("db-wal"), "a log of before");
}

TEST_F(LedgerTest, TreesAreCutBackAsAWhole) {
  std::filesystem::create_directories(work_ / "tree/sub");
  work_.write("tree/kept", "old");
  work_.write("tree/sub/gone", "gone");
  const auto made = take(1, {}, 1 << 20, {work_ / "tree", work_ / "not there"});
  work_.write("tree/kept", "new and longer");
  work_.write("tree/sub/newer", "new");
  std::filesystem::remove_all(work_ / "tree/sub/gone");
  ASSERT_TRUE(back(made));
  EXPECT_EQ(work_.read("tree/kept"), "old");
  EXPECT_EQ(work_.read("tree/sub/gone"), "gone");
  EXPECT_FALSE(work_.has("tree/sub/newer"));
}

TEST_F(LedgerTest, DirectoriesSavedInAnotherWayAreLeftOut) {
  const auto a = open("a", O_RDWR);
  put(a, "x");
  TempDirectory images;
  ArchiveWriter archive(images.fd(), 1);
  FileIndex after;
  const auto ledger = take_ledger(files(), {user_, 1 << 20, {work_.path()}}, {}, archive, after);
  ASSERT_TRUE(ledger);
  EXPECT_THAT(ledger->files, IsEmpty());
}

TEST_F(LedgerTest, WhatTheUserMayNotReadIsNotCopiedForHim) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as another user";
  const auto secret = open("secret", O_WRONLY);
  put(secret, "root's");
  ASSERT_EQ(::fchmod(secret.get(), 0600), 0);
  user_ = {1000, 1000, {}};
  const auto made = take();
  ASSERT_NE(entry(made, "secret"), nullptr);
  EXPECT_FALSE(entry(made, "secret")->has_copy);
  EXPECT_EQ(made.copied, 0u);
}

TEST_F(LedgerTest, NothingIsPutBackWithMoreThanTheUsersRights) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as another user";
  const auto file = open("a", O_WRONLY | O_APPEND);
  put(file, "one");
  const auto made = take();
  put(file, "two");
  user_ = {1000, 1000, {}};
  EXPECT_FALSE(back(made));
  EXPECT_EQ(work_.read("a"), "onetwo");
}

TEST_F(LedgerTest, AReadOnlyOwnerGetsHisFileBackAllTheSame) {
  if (::geteuid() != 0) GTEST_SKIP() << "acts as another user";
  const auto file = open("a", O_RDWR);
  put(file, "one");
  ASSERT_EQ(::fchown(file.get(), 1000, 1000), 0);
  ASSERT_EQ(::fchmod(file.get(), 0400), 0);
  ASSERT_EQ(::chown(work_.path().c_str(), 1000, 1000), 0);
  user_ = {1000, 1000, {}};
  const auto made = take();
  ASSERT_EQ(::pwrite(file.get(), "two", 3, 0), 3);
  const auto done = back(made);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(work_.read("a"), "one");
  struct stat status {};
  ASSERT_EQ(::fstat(file.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0400u);
}

TEST(LedgerFormat, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(read_ledger(R"({"format":2})").error().kind, ErrorKind::unsupported);
  for (const char* text : {"", "[]", "{}", "{\"format\":1}", "null", "{\"format\":\"1\"}"}) {
    const auto read = read_ledger(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::corrupt) << text;
  }
  Ledger ledger;
  ledger.files.push_back({"relative", Writing::append, {}, 0, false, {}, "", {}});
  EXPECT_FALSE(read_ledger(write_ledger(ledger)));
  ledger.files[0].path = "/with \xff\n\"%";
  EXPECT_EQ(*read_ledger(write_ledger(ledger)), ledger);
  ledger.files[0].has_copy = true;
  ledger.files[0].stamp.size = 5;
  EXPECT_FALSE(read_ledger(write_ledger(ledger))) << "a copy of another size";
}

TEST(LedgerFormat, CutAtAnyLengthItIsRefused) {
  Ledger ledger;
  ledger.files.push_back({"/a", Writing::append, {1, 2, 3, 4}, 0100644, true, {{1, 0, 2}}, "ab", {"-wal"}});
  ledger.trees.push_back({"/t", {"/t/a", "/t/b"}});
  const std::string text = write_ledger(ledger);
  for (std::size_t size = 0; size + 1 < text.size(); ++size) EXPECT_FALSE(read_ledger(text.substr(0, size))) << size;
}

// Whatever a program does to its files after a checkpoint, they are as they were when it resumes.
TEST_F(LedgerTest, AfterARollBackEveryFileIsAsTheModelSays) {
  struct Live {
    std::string name;
    UniqueFd fd;
    bool append;
  };
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::minstd_rand random(seed * 7919 + 1);
    std::vector<Live> live;
    for (int i = 0; i < 6; ++i) {
      const std::string name = "s" + std::to_string(seed) + "-" + std::to_string(i);
      const bool append = random() % 2 == 0;
      live.push_back({name, open(name, append ? O_WRONLY | O_APPEND : O_RDWR), append});
    }
    const auto change = [&](bool hard) {
      Live& one = live[random() % live.size()];
      const std::string text(random() % 9000, static_cast<char>('a' + random() % 26));
      switch (random() % (hard ? 6 : 2)) {
        case 0:
          put(one.fd, text);
          break;
        case 1:
          if (!one.append) {
            ASSERT_GE(::pwrite(one.fd.get(), text.data(), text.size(), random() % 50000), 0);
          }
          break;
        case 2:
          ASSERT_EQ(::ftruncate(one.fd.get(), static_cast<off_t>(random() % 20000)), 0);
          break;
        case 3:
          (void)::unlink((work_ / one.name).c_str());
          break;
        case 4:
          (void)::rename((work_ / one.name).c_str(), (work_ / (one.name + ".moved")).c_str());
          break;
        default:
          work_.write(one.name, text);
      }
    };
    Checkpoint last;
    std::map<std::string, std::string> model;
    std::map<std::string, std::string> streams;  // what a store would have
    for (std::uint32_t number = 1; number <= 4; ++number) {
      for (auto steps = random() % 12; steps > 0; --steps) change(false);
      last = take(number, last.index);
      if (last.images->has("shared-" + std::to_string(number))) {
        streams["shared-" + std::to_string(number)] = last.images->read("shared-" + std::to_string(number));
      }
      model.clear();
      for (const auto& one : live) model[one.name] = work_.read(one.name);
    }
    for (const auto& [name, contents] : streams) last.images->write(name, contents);
    for (auto steps = random() % 20; steps > 0; --steps) change(true);
    const auto done = back(last);
    ASSERT_TRUE(done) << done.error().message;
    for (const auto& [name, contents] : model) ASSERT_EQ(work_.read(name), contents) << name;
  }
}

}  // namespace
}  // namespace stasis
