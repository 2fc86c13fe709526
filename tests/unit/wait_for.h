// SPDX-License-Identifier: Apache-2.0
// wait_for.h - polls until something has happened elsewhere, with a deadline.
#pragma once

#include <chrono>
#include <thread>

#include "common/deadline.h"

namespace stasis {

template <class Condition>
bool wait_for(Condition condition, std::chrono::seconds limit = std::chrono::seconds(20)) {
  for (const Deadline deadline = Deadline::in(limit); !condition();
       std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
    if (deadline.passed()) return condition();
  }
  return true;
}

}  // namespace stasis
