// SPDX-License-Identifier: Apache-2.0
// deadline.h - the moment until which a caller is willing to wait, handed down through every layer that blocks.
#pragma once

#include <algorithm>
#include <chrono>
#include <limits>

namespace stasis {

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  static Deadline never() noexcept { return Deadline(Clock::time_point::max()); }
  static Deadline at(Clock::time_point when) noexcept { return Deadline(when); }
  static Deadline in(std::chrono::milliseconds wait) noexcept { return Deadline(Clock::now() + wait); }

  bool is_never() const noexcept { return when_ == Clock::time_point::max(); }
  bool passed() const noexcept { return !is_never() && Clock::now() >= when_; }

  // For poll(): milliseconds left rounded up, 0 once passed, -1 for never.
  int poll_timeout() const noexcept {
    if (is_never()) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(when_ - Clock::now()).count();
    return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left, 0, std::numeric_limits<int>::max()));
  }

 private:
  explicit Deadline(Clock::time_point when) noexcept : when_(when) {}

  Clock::time_point when_;
};

}  // namespace stasis
