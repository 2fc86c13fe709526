// SPDX-License-Identifier: Apache-2.0
// page_queue.h - hands pages on to a thread of its own, in their order: whoever brings them, while a job stands still,
// need not wait for what is done with them. Holds some megabytes of them at most.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/deadline.h"
#include "common/result.h"

namespace stasis {

class PageQueue {
 public:
  // The next pages of an image ("pages-1.img"); at its beginning none at all.
  using Take = std::function<Result<void>(const std::string& image, const char* pages, std::size_t count)>;

  explicit PageQueue(Take take);
  PageQueue(const PageQueue&) = delete;
  PageQueue& operator=(const PageQueue&) = delete;
  // What was not taken by now never will be. Waits for what is being taken.
  ~PageQueue();

  static constexpr std::size_t kBufferPages = 64;
  // Room for that many, which may have been used before.
  std::vector<char> buffer();
  // To be taken: the first `count` pages in there. Waits when too many have not been taken yet; fails when any before
  // them could not be.
  Result<void> put(const std::string& image, std::vector<char> pages, std::size_t count, Deadline deadline);
  // All have been taken.
  Result<void> finish(Deadline deadline);

 private:
  struct Batch {
    std::string image;
    std::vector<char> pages;
    std::size_t count = 0;
  };
  void work();
  template <class Condition>
  Result<void> wait(std::unique_lock<std::mutex>& lock, Deadline deadline, Condition condition);
  Result<void> outcome() const;

  Take take_;
  std::mutex guard_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  std::vector<std::vector<char>> used_;  // whose pages have been taken
  std::optional<Error> error_;
  bool busy_ = false;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace stasis
