// SPDX-License-Identifier: Apache-2.0
#include "daemon/page_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>

#include "common/page_index.h"

namespace stasis {
namespace {

Result<void> put(PageQueue& queue, const std::string& image, char what, std::size_t count,
                 Deadline deadline = Deadline::never()) {
  std::vector<char> pages = queue.buffer();
  std::fill_n(pages.begin(), count * kPageSize, what);
  return queue.put(image, std::move(pages), count, deadline);
}

TEST(PageQueue, HandsAllOnInTheirOrder) {
  std::string seen;
  PageQueue queue([&](const std::string& image, const char* pages, std::size_t count) -> Result<void> {
    seen += image + std::to_string(count);
    if (count > 0) seen += pages[(count - 1) * kPageSize];
    return {};
  });
  std::string expected;
  // More than there are buffers.
  for (int round = 0; round < 200; ++round) {
    const char what = static_cast<char>('a' + round % 26);
    ASSERT_TRUE(put(queue, "i", what, 1 + static_cast<std::size_t>(round) % PageQueue::kBufferPages));
    expected += "i" + std::to_string(1 + round % 64) + what;
  }
  ASSERT_TRUE(put(queue, "j", 0, 0));
  ASSERT_TRUE(queue.finish(Deadline::never()));
  EXPECT_EQ(seen, expected + "j0");
}

TEST(PageQueue, WhoeverBringsMoreHearsOfAFailure) {
  std::atomic<int> taken{0};
  PageQueue queue([&](const std::string&, const char*, std::size_t) -> Result<void> {
    ++taken;
    return fail(ErrorKind::no_space, "the disk is full");
  });
  ASSERT_TRUE(put(queue, "i", 'a', 1));
  EXPECT_EQ(queue.finish(Deadline::never()).error().kind, ErrorKind::no_space);
  EXPECT_EQ(put(queue, "i", 'b', 1).error().kind, ErrorKind::no_space);
  EXPECT_EQ(taken, 1);
}

TEST(PageQueue, WaitsForWhatIsNotTakenNoLongerThanItIsTold) {
  std::promise<void> disk;
  const std::shared_future<void> answers = disk.get_future();
  PageQueue queue([&](const std::string&, const char*, std::size_t) -> Result<void> {
    answers.wait();
    return {};
  });
  const auto soon = [] { return Deadline::in(std::chrono::milliseconds(10)); };
  ASSERT_TRUE(put(queue, "i", 'a', 1));
  EXPECT_EQ(queue.finish(soon()).error().kind, ErrorKind::timed_out);
  Result<void> more;
  while (more) more = put(queue, "i", 'a', 1, soon());
  EXPECT_EQ(more.error().kind, ErrorKind::timed_out);
  disk.set_value();
  EXPECT_TRUE(queue.finish(Deadline::never()));
}

TEST(PageQueue, CanBeLeftWithPagesInIt) {
  for (int round = 0; round < 20; ++round) {
    PageQueue queue([](const std::string&, const char*, std::size_t) -> Result<void> { return {}; });
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(put(queue, "i", 'a', 64));
  }
}

}  // namespace
}  // namespace stasis
