// SPDX-License-Identifier: Apache-2.0
// The test is criu: it connects, asks for images and reads them.
#include "daemon/image_server.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <iterator>
#include <optional>

#include "common/criu_pages.pb.h"
#include "common/image_segments.h"
#include "tests/unit/daemon/fake_criu.h"
#include "tests/unit/stopped_child.h"
#include "tests/unit/temp_directory.h"

namespace stasis {
namespace {

constexpr std::uint64_t kBlock = kBlockPages;
constexpr std::uint64_t kPages = 2 * kBlock;

PageMap map() {
  PageMap map;
  map.images.push_back({"pages-1.img", {{0, 0, kPages}}});
  return map;
}

class ImageServerTest : public ::testing::Test {
 protected:
  ImageServerTest() {
    images_.write("core-1.img", "core of 1");
    images_.write("ghost-file-2.img", big_);
    EXPECT_TRUE(put_into_segments(images_.fd(), "pages-1.img", 0, memory_.data(), kPages));
    auto server = ImageServer::listen(images_.fd(), progress_);
    EXPECT_TRUE(server) << server.error().message;
    server_.emplace(std::move(*server));
    thread_ = std::thread([this] { outcome_ = server_->serve(capsule_.get()); });
    criu_.emplace(images_ / "streamer-serve.sock");
  }
  ~ImageServerTest() override { (void)end(); }
  Result<void> end() {
    criu_.reset();
    if (thread_.joinable()) thread_.join();
    server_.reset();
    return outcome_;
  }

  bool exists(const std::string& name) const {
    criu_->name(name);
    std::uint32_t size = 0;
    EXPECT_EQ(::recv(criu_->line(), &size, sizeof size, MSG_WAITALL), 4);
    std::string bytes(size, '\0');
    EXPECT_EQ(::recv(criu_->line(), bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    criu::StreamedImageAnswer answer;
    EXPECT_TRUE(answer.ParseFromString(bytes));
    return answer.exists();
  }
  UniqueFd open(const std::string& name) const {
    EXPECT_TRUE(exists(name)) << name;
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd theirs(ends[1]);
    criu_->send(ends[1]);
    return UniqueFd(ends[0]);
  }
  static std::string read(const UniqueFd& pipe, std::size_t most = SIZE_MAX) {
    std::string text;
    char block[65536];
    while (text.size() < most) {
      const ssize_t got = ::read(pipe.get(), block, std::min(sizeof block, most - text.size()));
      if (got <= 0) break;
      text.append(block, static_cast<std::size_t>(got));
    }
    return text;
  }

  const std::string big_ = std::string(3 << 20, 'g');
  const std::string memory_ = std::string(kBlock * kPageSize, 'a') + std::string(kBlock * kPageSize, 'b');
  TempDirectory images_;
  ImageProgress progress_{map()};
  StoppedChild child_{1};
  UniqueFd capsule_{static_cast<int>(::syscall(SYS_pidfd_open, child_.pid(), 0))};
  std::optional<ImageServer> server_;
  Result<void> outcome_;
  std::thread thread_;
  std::optional<FakeCriu> criu_;
};

TEST_F(ImageServerTest, HandsOverWhatIsThere) {
  EXPECT_FALSE(exists("fs-1.img"));
  EXPECT_EQ(read(open("core-1.img")), "core of 1");
  EXPECT_EQ(read(open("core-1.img")), "core of 1") << "as often as it is wanted";
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kPages));
  EXPECT_EQ(read(open("pages-1.img")), memory_);
  EXPECT_TRUE(end());
}

TEST_F(ImageServerTest, AnImageThatNobodyReadsHoldsNoOtherUp) {
  const UniqueFd ghost = open("ghost-file-2.img"), core = open("core-1.img");
  EXPECT_EQ(read(core), "core of 1");
  EXPECT_EQ(read(ghost), big_);
  const UniqueFd again = open("ghost-file-2.img");
}

TEST_F(ImageServerTest, MemoryComesAsItIsFetched) {
  const UniqueFd pages = open("pages-1.img");
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kBlock));
  EXPECT_EQ(read(pages, kBlock * kPageSize), memory_.substr(0, kBlock * kPageSize));
  EXPECT_TRUE(progress_.add("pages-1.img", kBlock, kBlock));
  EXPECT_EQ(read(pages), memory_.substr(kBlock * kPageSize));
}

// As criu reads what processes have in common.
TEST_F(ImageServerTest, MemoryIsReadPageByPage) {
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kPages));
  const UniqueFd pages = open("pages-1.img");
  for (std::uint64_t page = 0; page < kPages; ++page) {
    ASSERT_EQ(read(pages, kPageSize), memory_.substr(page * kPageSize, kPageSize)) << page;
  }
  EXPECT_EQ(read(pages), "");
}

TEST_F(ImageServerTest, MemoryIsGoneOnceItWasRead) {
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kPages));
  EXPECT_EQ(read(open("pages-1.img")), memory_);
  (void)open("pages-1.img");
  const auto outcome = end();
  ASSERT_FALSE(outcome) << "the second time it would be zeros";
  EXPECT_EQ(outcome.error().kind, ErrorKind::unsupported);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(images_.path()), {}), 3) << "two images and the socket";
}

TEST_F(ImageServerTest, AReaderThatGoesAwayHoldsNobodyUp) {
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kPages));
  {
    const UniqueFd pages = open("pages-1.img");
    EXPECT_EQ(read(pages, kPageSize).size(), kPageSize);
  }
  EXPECT_EQ(read(open("core-1.img")), "core of 1");
  EXPECT_TRUE(end());
}

TEST_F(ImageServerTest, WhatCannotBeFetchedEndsTooEarly) {
  const UniqueFd pages = open("pages-1.img");
  EXPECT_TRUE(progress_.add("pages-1.img", 0, kBlock));
  EXPECT_EQ(read(pages, kBlock * kPageSize).size(), kBlock * kPageSize);
  progress_.fail({ErrorKind::corrupt, "a block is damaged"});
  EXPECT_EQ(read(pages), "");
}

TEST_F(ImageServerTest, OnlyImagesAreHandedOver) {
  criu_->name("../secret");
  char byte = 0;
  EXPECT_EQ(::recv(criu_->line(), &byte, 1, 0), 0);
  EXPECT_FALSE(end());
}

TEST_F(ImageServerTest, EndsWithTheCapsule) {
  ::kill(child_.pid(), SIGKILL);
  thread_.join();
  EXPECT_TRUE(outcome_);
}

}  // namespace
}  // namespace stasis
