// SPDX-License-Identifier: Apache-2.0
#include "daemon/page_queue.h"

#include <chrono>
#include <utility>

#include "common/page_index.h"

namespace stasis {
namespace {

// 16 MiB.
constexpr std::size_t kMostWaiting = 64;

}  // namespace

PageQueue::PageQueue(Take take) : take_(std::move(take)) {
  thread_ = std::thread([this] { work(); });
}

PageQueue::~PageQueue() {
  {
    const std::lock_guard lock(guard_);
    over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PageQueue::work() {
  std::unique_lock lock(guard_);
  while (true) {
    changed_.wait(lock, [this] { return over_ || !waiting_.empty(); });
    if (over_) return;
    Batch batch = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    if (!error_) {
      lock.unlock();
      const auto taken = take_(batch.image, batch.pages.data(), batch.count);
      lock.lock();
      if (!taken) error_ = taken.error();
    }
    busy_ = false;
    if (used_.size() < kMostWaiting && !batch.pages.empty()) used_.push_back(std::move(batch.pages));
    changed_.notify_all();
  }
}

template <class Condition>
Result<void> PageQueue::wait(std::unique_lock<std::mutex>& lock, Deadline deadline, Condition condition) {
  if (deadline.is_never()) {
    changed_.wait(lock, condition);
  } else if (!changed_.wait_for(lock, std::chrono::milliseconds(deadline.poll_timeout()), condition)) {
    return fail(ErrorKind::timed_out, "putting the pages aside took too long");
  }
  return {};
}

std::vector<char> PageQueue::buffer() {
  std::vector<char> buffer;
  {
    const std::lock_guard lock(guard_);
    if (!used_.empty()) {
      buffer = std::move(used_.back());
      used_.pop_back();
    }
  }
  buffer.resize(kBufferPages * kPageSize);
  return buffer;
}

Result<void> PageQueue::outcome() const {
  if (error_) return fail(*error_);
  return {};
}

Result<void> PageQueue::put(const std::string& image, std::vector<char> pages, std::size_t count, Deadline deadline) {
  {
    std::unique_lock lock(guard_);
    STASIS_TRY(wait(lock, deadline, [this] { return waiting_.size() < kMostWaiting; }));
    STASIS_TRY(outcome());
    waiting_.push_back({image, std::move(pages), count});
  }
  changed_.notify_all();
  return {};
}

Result<void> PageQueue::finish(Deadline deadline) {
  std::unique_lock lock(guard_);
  STASIS_TRY(wait(lock, deadline, [this] { return waiting_.empty() && !busy_; }));
  return outcome();
}

}  // namespace stasis
