// SPDX-License-Identifier: Apache-2.0
// worker_clock.h - time for code that waits long: a worker may sleep, a test does not want to.
#pragma once

#include <chrono>
#include <thread>

namespace stasis {

class WorkerClock {
 public:
  virtual ~WorkerClock() = default;
  virtual std::chrono::steady_clock::time_point now() const = 0;
  virtual void pause(std::chrono::milliseconds wait) = 0;
};

class SystemClock final : public WorkerClock {
 public:
  std::chrono::steady_clock::time_point now() const override { return std::chrono::steady_clock::now(); }
  void pause(std::chrono::milliseconds wait) override { std::this_thread::sleep_for(wait); }
};

}  // namespace stasis
