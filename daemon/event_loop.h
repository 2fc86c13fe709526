// SPDX-License-Identifier: Apache-2.0
// event_loop.h - waits for descriptors and moments, and calls back. One thread; callbacks must not block.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>

namespace stasis {

class EventLoop {
 public:
  using Clock = std::chrono::steady_clock;
  using Callback = std::function<void()>;
  using TimerId = unsigned long;

  // Calls back whenever `fd` is readable or closed by its peer. One callback per descriptor; it stays the caller's,
  // who must unwatch() before closing it. Both may be called from a callback.
  void watch(int fd, Callback on_readable);
  void unwatch(int fd);

  // Calls back once. A timer that has been called or cancelled is forgotten; 0 is never a timer's id.
  TimerId after(Clock::duration wait, Callback on_time);
  void cancel(TimerId timer);

  // Until stop().
  void run();
  void stop() { running_ = false; }

 private:
  struct Timer {
    TimerId id;
    Callback call;
  };

  int poll_timeout() const;
  void call_timers();

  std::map<int, std::shared_ptr<Callback>> watched_;
  std::multimap<Clock::time_point, Timer> timers_;
  TimerId last_timer_ = 0;
  bool running_ = false;
};

}  // namespace stasis
