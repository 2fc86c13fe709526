// SPDX-License-Identifier: Apache-2.0
// Images as criu streams them: the test is criu.
#include "daemon/image_streams.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/page_index.h"
#include "tests/unit/daemon/fake_criu.h"
#include "tests/unit/temp_directory.h"
#include "tests/unit/wait_for.h"

namespace stasis {
namespace {

class ImageStreamsTest : public ::testing::Test {
 protected:
  ImageStreamsTest() {
    auto listening = ImageStreams::listen(
        opened_.get(), [this](const std::string& image, const char* pages, std::size_t count) -> Result<void> {
          const std::lock_guard lock(guard_);
          pages_[image].append(count == 0 ? "" : pages, count * kPageSize);
          return {};
        });
    EXPECT_TRUE(listening) << listening.error().message;
    streams_.emplace(std::move(*listening));
    criu_.emplace(directory_ / "streamer-capture.sock");
  }

  // Returns criu's end of the image's pipe.
  UniqueFd announce(const std::string& name) {
    criu_->name(name);
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd theirs(ends[0]);
    criu_->send(ends[0]);
    return UniqueFd(ends[1]);
  }

  // What is said and written here fits into sockets and pipes.
  Result<void> take_all() {
    Result<void> taken;
    wait_for([&] { return !(taken = streams_->take(Deadline::never())) || streams_->idle(); });
    return taken ? streams_->finish(Deadline::never()) : taken;
  }

  std::size_t size_of(const std::string& image) {
    const std::lock_guard lock(guard_);
    return pages_[image].size();
  }

  TempDirectory directory_;
  UniqueFd opened_{::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  std::mutex guard_;
  std::map<std::string, std::string> pages_;
  std::optional<ImageStreams> streams_;
  std::optional<FakeCriu> criu_;
};

TEST_F(ImageStreamsTest, AreWrittenAsFiles) {
  UniqueFd core = announce("core-1.img"), files = announce("files.img");
  ASSERT_EQ(::write(files.get(), "sockets", 7), 7);
  ASSERT_EQ(::write(core.get(), "registers", 9), 9);
  core.reset();
  ASSERT_TRUE(streams_->take(Deadline::never()));
  EXPECT_FALSE(streams_->idle());
  files.reset();
  ASSERT_TRUE(take_all());
  EXPECT_EQ(directory_.read("core-1.img"), "registers");
  EXPECT_EQ(directory_.read("files.img"), "sockets");
}

TEST_F(ImageStreamsTest, PagesAreHandedOn) {
  std::string pages(3 * kPageSize, 'p');
  pages[kPageSize] = 'q';
  UniqueFd pipe = announce("pages-1.img");
  // In pieces that are none.
  ASSERT_EQ(::write(pipe.get(), pages.data(), kPageSize + 100), static_cast<ssize_t>(kPageSize + 100));
  EXPECT_TRUE(wait_for([&] { return streams_->take(Deadline::never()) && size_of("pages-1.img") == kPageSize; }));
  ASSERT_EQ(::write(pipe.get(), pages.data() + kPageSize + 100, 2 * kPageSize - 100),
            static_cast<ssize_t>(2 * kPageSize - 100));
  pipe.reset();
  announce("pages-2.img");
  ASSERT_TRUE(take_all());
  EXPECT_EQ(pages_["pages-1.img"], pages);
  EXPECT_EQ(pages_.count("pages-2.img"), 1U);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path()));
}

TEST_F(ImageStreamsTest, HalfAPageIsNone) {
  UniqueFd pipe = announce("pages-1.img");
  ASSERT_EQ(::write(pipe.get(), "0123456789", 10), 10);
  pipe.reset();
  const auto taken = take_all();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::lost);
}

class BadNames : public ImageStreamsTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(BadNames, AreNoImages) {
  const UniqueFd pipe = announce(GetParam());
  const auto taken = take_all();
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::lost);
}

INSTANTIATE_TEST_SUITE_P(ImageStreams, BadNames, ::testing::Values("../image", "", ".hidden", "a/b"));

TEST_F(ImageStreamsTest, ACriuThatDiesEndsThem) {
  UniqueFd core = announce("core-1.img");
  criu_.reset();
  core.reset();
  ASSERT_TRUE(take_all());
  EXPECT_TRUE(streams_->idle());
  EXPECT_EQ(directory_.read("core-1.img"), "");
}

TEST_F(ImageStreamsTest, TakesThePagesOfAnyNumberOfProcesses) {
  const std::string page(kPageSize, 'p');
  for (int process = 0; process < 300; ++process) {
    UniqueFd pipe = announce("pages-" + std::to_string(process) + ".img");
    ASSERT_EQ(::write(pipe.get(), page.data(), page.size()), static_cast<ssize_t>(page.size()));
    pipe.reset();
    if (process % 20 != 19) continue;
    ASSERT_TRUE(take_all());
  }
  criu_.reset();
  ASSERT_TRUE(take_all());
  EXPECT_EQ(pages_.size(), 300u);
  EXPECT_EQ(pages_["pages-299.img"], page);
}

}  // namespace
}  // namespace stasis
