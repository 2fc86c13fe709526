// SPDX-License-Identifier: Apache-2.0
#include "common/file_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

using ::testing::IsEmpty;

struct Saved {
  FileTree tree;
  FileIndex index;
  std::uint64_t copied = 0;
};

// Other than /tmp it is hardly ever a tmpfs.
constexpr const char* kOnDisk = "/var/tmp";

Saved save(const TempDirectory& from, const TempDirectory& images, std::uint32_t number = 1,
           const FileIndex& before = {}, const std::set<FileId>& mapped = {}) {
  Saved saved;
  ArchiveWriter archive(images.fd(), number);
  const auto done = save_tree(from.fd(), "/tmp", mapped, before, archive, saved.index, saved.tree);
  EXPECT_TRUE(done) << done.error().message;
  saved.copied = archive.size();
  const auto read = read_file_tree(write_file_tree(saved.tree));
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, saved.tree);
  return saved;
}

void restore(const Saved& saved, const TempDirectory& images, const TempDirectory& to) {
  FileIndex index;
  const auto done = restore_tree(saved.tree, to.fd(), "/tmp", images.fd(), index);
  ASSERT_TRUE(done) << done.error().message;
}

struct stat status_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

// Long ago, so that the clock's step is no question.
void settle(const std::string& path) {
  const timespec times[] = {{1600000000, 5}, {1600000000, 7}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

TEST(FileTree, EverythingComesBackAsItWas) {
  const TempDirectory from, to, images;
  std::filesystem::create_directories(from / "a/b");
  from.write("a/b/file", "contents");
  from.write("a/empty", "");
  from.write("odd \xff\n name", "odd");
  ASSERT_EQ(::chmod((from / "a/b/file").c_str(), 04751), 0);
  ASSERT_EQ(::chmod((from / "a/b").c_str(), 01777), 0);
  ASSERT_EQ(::symlink("../nowhere", (from / "a/link").c_str()), 0);
  ASSERT_EQ(::link((from / "a/b/file").c_str(), (from / "z-hard").c_str()), 0);
  ASSERT_EQ(::mkfifo((from / "fifo").c_str(), 0620), 0);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{AF_UNIX, {}};
  (from / "sock").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const bool attributes = ::setxattr((from / "a/empty").c_str(), "user.colour", "bl\0ue", 5, 0) == 0;
  settle(from / "a/b/file");
  settle(from / "a/link");
  settle(from / "a/b");

  restore(save(from, images), images, to);
  EXPECT_EQ(to.read("a/b/file"), "contents");
  EXPECT_EQ(to.read("odd \xff\n name"), "odd");
  for (const std::string name : {".", "a", "a/b", "a/b/file", "a/empty", "a/link", "z-hard", "fifo", "sock"}) {
    const auto was = status_of(from / name);
    const auto is = status_of(to / name);
    EXPECT_EQ(is.st_mode, was.st_mode) << name;
    EXPECT_EQ(is.st_uid, was.st_uid) << name;
    EXPECT_EQ(is.st_mtim.tv_sec, was.st_mtim.tv_sec) << name;
    EXPECT_EQ(is.st_mtim.tv_nsec, was.st_mtim.tv_nsec) << name;
  }
  EXPECT_EQ(std::filesystem::read_symlink(to / "a/link"), "../nowhere");
  EXPECT_EQ(status_of(to / "z-hard").st_ino, status_of(to / "a/b/file").st_ino);
  if (attributes) {
    char value[16];
    ASSERT_EQ(::getxattr((to / "a/empty").c_str(), "user.colour", value, sizeof value), 5);
    EXPECT_EQ(std::string(value, 5), std::string("bl\0ue", 5));
  }
}

TEST(FileTree, OwnersComeBack) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  const TempDirectory from, to, images;
  from.write("file", "x");
  ASSERT_EQ(::chown((from / "file").c_str(), 1000, 1001), 0);
  ASSERT_EQ(::chmod((from / "file").c_str(), 04700), 0);
  ASSERT_EQ(::symlink("x", (from / "link").c_str()), 0);
  ASSERT_EQ(::lchown((from / "link").c_str(), 1002, 1002), 0);
  restore(save(from, images), images, to);
  EXPECT_EQ(status_of(to / "file").st_uid, 1000u);
  EXPECT_EQ(status_of(to / "file").st_gid, 1001u);
  EXPECT_EQ(status_of(to / "file").st_mode & 07777, 04700u);
  EXPECT_EQ(status_of(to / "link").st_uid, 1002u);
}

TEST(FileTree, UnchangedFilesAreNotCopiedAgain) {
  const TempDirectory from(kOnDisk), to, images;
  from.write("kept", std::string(100000, 'k'));
  from.write("changed", std::string(50000, 'a'));
  Saved first = save(from, images, 1);
  EXPECT_EQ(first.copied, 153248u) << "on whole blocks where they could be shared";
  // As if they had been at rest for long.
  for (auto& [path, file] : first.index.files) file.settled = true;
  from.write("changed", std::string(50000, 'b'));
  const Saved second = save(from, images, 2, first.index);
  EXPECT_EQ(second.copied, 50000u);
  restore(second, images, to);
  EXPECT_EQ(to.read("kept"), std::string(100000, 'k'));
  EXPECT_EQ(to.read("changed"), std::string(50000, 'b'));
}

TEST(FileTree, WhatIsMappedIsCopiedAgain) {
  const TempDirectory from(kOnDisk), images;
  from.write("mapped", std::string(5000, 'm'));
  from.write("other", std::string(3000, 'o'));
  const std::set<FileId> mapped{id_of(status_of(from / "mapped"))};
  Saved first = save(from, images, 1, {}, mapped);
  EXPECT_FALSE(first.index.files["/tmp/mapped"].settled);
  for (auto& [path, file] : first.index.files) file.settled = true;
  EXPECT_EQ(save(from, images, 2, first.index, mapped).copied, 5000u);
}

TEST(FileTree, OnTmpfsEverythingIsCopiedAgainAsItsTimesTellNothing) {
  // Ranks of Open MPI waited for each other for ever: their shared memory was as it had been in advance of the dump.
  struct statfs system {};
  if (::statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC) GTEST_SKIP() << "there is no tmpfs";
  const TempDirectory from("/dev/shm"), to, images;
  from.write("mapped", std::string(2 << 20, 'a'));
  const UniqueFd file(::open((from / "mapped").c_str(), O_RDWR | O_CLOEXEC));
  auto* const memory = static_cast<char*>(::mmap(nullptr, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
  ASSERT_NE(memory, MAP_FAILED);
  memory[0] = 'b';
  Saved first = save(from, images, 1);
  // As if it had been at rest for long.
  for (auto& [path, one] : first.index.files) one.settled = true;
  FileIndex early = first.index;
  ArchiveWriter archive(images.fd(), 3);
  ASSERT_TRUE(save_in_advance(from.fd(), "/tmp", {}, archive, early));
  EXPECT_EQ(archive.size(), 0u);
  const FileStamp before = stamp_of(status_of(from / "mapped"));
  memory[0] = 'c';
  EXPECT_EQ(stamp_of(status_of(from / "mapped")), before) << "this kernel would tell";
  ::munmap(memory, 2 << 20);
  restore(save(from, images, 2, early), images, to);
  EXPECT_EQ(to.read("mapped")[0], 'c');
}

TEST(FileTree, WhatWasWrittenAMomentAgoIsCopiedAgain) {
  const TempDirectory from, images;
  from.write("fresh", "x");
  const Saved first = save(from, images, 1);
  EXPECT_EQ(save(from, images, 2, first.index).copied, 1u);
}

TEST(FileTree, HolesStayHoles) {
  const TempDirectory from, to, images;
  from.write("sparse", "start");
  ASSERT_EQ(::truncate((from / "sparse").c_str(), 100 << 20), 0);
  const Saved saved = save(from, images);
  EXPECT_LE(saved.copied, 8192u);
  restore(saved, images, to);
  const auto status = status_of(to / "sparse");
  EXPECT_EQ(status.st_size, 100 << 20);
  EXPECT_LE(status.st_blocks, 64);
}

TEST(FileTree, LargeFilesAtRestAreCopiedInAdvance) {
  const TempDirectory from, to, images;
  from.write("large", std::string(2 << 20, 'l'));
  from.write("busy", std::string(2 << 20, 'b'));
  from.write("small", "s");
  for (const char* name : {"large", "small"}) settle(from / name);
  FileIndex index, after;
  FileTree tree;
  ArchiveWriter archive(images.fd(), 1);
  ASSERT_TRUE(save_in_advance(from.fd(), "/tmp", {}, archive, index));
  // The change time cannot be set back, so nothing here is at rest yet.
  EXPECT_THAT(index.files, IsEmpty());
}

TEST(FileTree, ReplacesWhatIsInTheWayAndFollowsNoLink) {
  const TempDirectory from, to, images, outside;
  std::filesystem::create_directories(from / "dir");
  from.write("dir/file", "mine");
  from.write("plain", "mine");
  outside.write("file", "not to be touched");
  outside.write("plain", "not to be touched");
  ASSERT_EQ(::symlink(outside.path().c_str(), (to / "dir").c_str()), 0);
  ASSERT_EQ(::symlink((outside / "plain").c_str(), (to / "plain").c_str()), 0);
  to.write("other", "stays");
  restore(save(from, images), images, to);
  EXPECT_EQ(to.read("dir/file"), "mine");
  EXPECT_EQ(to.read("plain"), "mine");
  EXPECT_EQ(to.read("other"), "stays");
  EXPECT_EQ(outside.read("file"), "not to be touched");
  EXPECT_EQ(outside.read("plain"), "not to be touched");
}

TEST(FileTree, OnlyItsOwnPathsAreRestored) {
  const TempDirectory to, images;
  FileTree tree;
  for (const char* path : {"/dev/shm/x", "/tmpx", "/etc"})
    tree.push_back({path, TreeType::directory, 0755, 0, 0, 0, "", {}, {}});
  restore({tree, {}, 0}, images, to);
  EXPECT_TRUE(std::filesystem::is_empty(to.path()));
}

TEST(FileTree, BadListsAreRefused) {
  EXPECT_EQ(read_file_tree(R"({"format":2})").error().kind, ErrorKind::unsupported);
  const auto list = [](const std::string& entry) { return R"({"format":1,"entries":[)" + entry + "]}"; };
  EXPECT_TRUE(read_file_tree(list(R"({"path":"/tmp/a","type":"d"})")));
  for (const char* entry :
       {R"({"path":"/tmp/../etc","type":"d"})", R"({"path":"tmp","type":"d"})", R"({"path":"/tmp/a/","type":"d"})",
        R"({"path":"/tmp//a","type":"d"})", R"({"path":"/tmp/a%00","type":"d"})", R"({"path":"/tmp/a","type":"x"})",
        R"({"path":"/tmp/a","type":"h","target":"/tmp/b"})", R"({"path":"/tmp/%g0","type":"d"})", "1", "[]"}) {
    const auto read = read_file_tree(list(entry));
    ASSERT_FALSE(read) << entry;
    EXPECT_EQ(read.error().kind, ErrorKind::corrupt) << entry;
  }
}

TEST(FileTree, AMissingStreamIsFound) {
  const TempDirectory from, to, images;
  from.write("a", "contents");
  const Saved saved = save(from, images);
  FileIndex index;
  images.write("shared-1", "cont");
  EXPECT_EQ(restore_tree(saved.tree, to.fd(), "/tmp", images.fd(), index).error().kind, ErrorKind::corrupt);
  ASSERT_EQ(::unlink((images / "shared-1").c_str()), 0);
  EXPECT_FALSE(restore_tree(saved.tree, to.fd(), "/tmp", images.fd(), index));
}

Manifest generation(std::uint32_t number, const std::map<std::uint32_t, std::uint64_t>& streams) {
  Manifest m;
  m.number = number;
  m.node = "n1";
  for (const auto& [stream, size] : streams) {
    m.streams.push_back({archive_stream_name(stream), {size, "", size, Encoding::plain}, "", 0, stream});
  }
  return m;
}

FileIndex index_of(const Manifest& manifest, const std::map<std::string, Pieces>& files) {
  FileIndex index;
  index.belongs_to = identity_of(manifest);
  for (const auto& [path, pieces] : files) index.files[path] = {{1, size_of(pieces), 3, 4}, true, pieces, "tail"};
  return index;
}

TEST(FileIndex, ComesBackAsItWas) {
  const auto index = index_of(generation(2, {}), {{"/tmp/\xff%", {{1, 0, 10}, {0, 0, 5}}}, {"/a", {}}});
  const auto read = read_file_index(write_file_index(index));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, index);
  for (const char* text : {"", "{}", "[1]", R"({"belongs_to":"x","files":[[1]]})"}) EXPECT_FALSE(read_file_index(text));
}

TEST(FileIndex, OfAnotherGenerationItKnowsNothing) {
  const auto manifest = generation(2, {{1, 10}});
  auto index = index_of(manifest, {{"/a", {{1, 0, 10}}}});
  auto other = manifest;
  other.made_at = 5;
  drop_poor_streams(index, other);
  EXPECT_THAT(index.files, IsEmpty());
}

TEST(FileIndex, StreamsThatAreHardlyUsedAreWrittenAnew) {
  const auto manifest = generation(3, {{1, 100}, {2, 100}});
  auto index =
      index_of(manifest, {{"/a", {{1, 0, 40}}}, {"/b", {{2, 0, 60}}}, {"/lost", {{9, 0, 60}}}, {"/hole", {{0, 0, 9}}}});
  drop_poor_streams(index, manifest);
  EXPECT_THAT(index.files, testing::ElementsAre(testing::Key("/b"), testing::Key("/hole")));
  EXPECT_THAT(streams_of(index), testing::ElementsAre(2));
}

TEST(FileIndex, ThereAreNeverTooManyStreams) {
  std::map<std::uint32_t, std::uint64_t> streams;
  std::map<std::string, Pieces> files;
  for (std::uint32_t i = 1; i <= 40; ++i) {
    streams[i] = 100 + i;
    files["/" + std::to_string(i)] = {{i, 0, 100 + i}};
  }
  const auto manifest = generation(41, streams);
  auto index = index_of(manifest, files);
  drop_poor_streams(index, manifest);
  EXPECT_EQ(streams_of(index).size(), 16u);
  EXPECT_EQ(streams_of(index).count(40), 1u) << "the largest stay";
}

}  // namespace
}  // namespace stasis
