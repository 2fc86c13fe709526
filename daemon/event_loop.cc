// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_loop.h"

#include <poll.h>

#include <algorithm>
#include <vector>

namespace stasis {

void EventLoop::watch(int fd, Callback on_readable) {
  watched_[fd] = std::make_shared<Callback>(std::move(on_readable));
}

void EventLoop::unwatch(int fd) { watched_.erase(fd); }

EventLoop::TimerId EventLoop::after(Clock::duration wait, Callback on_time) {
  timers_.emplace(Clock::now() + wait, Timer{++last_timer_, std::move(on_time)});
  return last_timer_;
}

void EventLoop::cancel(TimerId timer) {
  const auto found =
      std::find_if(timers_.begin(), timers_.end(), [&](const auto& entry) { return entry.second.id == timer; });
  if (found != timers_.end()) timers_.erase(found);
}

int EventLoop::poll_timeout() const {
  if (timers_.empty()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(timers_.begin()->first - Clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, 60'000));
}

void EventLoop::call_timers() {
  const auto now = Clock::now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const Callback call = std::move(timers_.begin()->second.call);
    timers_.erase(timers_.begin());
    call();
  }
}

void EventLoop::run() {
  running_ = true;
  while (running_) {
    std::vector<pollfd> fds;
    std::vector<std::shared_ptr<Callback>> calls;
    for (const auto& [fd, call] : watched_) {
      fds.push_back({fd, POLLIN, 0});
      calls.push_back(call);
    }
    ::poll(fds.data(), fds.size(), poll_timeout());
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      // An earlier callback of this round may have unwatched it, and even watch a new descriptor of the same number.
      const auto found = watched_.find(fds[i].fd);
      if (found != watched_.end() && found->second == calls[i]) (*calls[i])();
    }
    call_timers();
  }
}

}  // namespace stasis
