// SPDX-License-Identifier: Apache-2.0
#include "daemon/dump_budget.h"

#include <algorithm>
#include <cmath>

namespace stasis {
namespace {

// A file system has good and bad days, and a node may have one large job in a while.
constexpr std::size_t kOfTheNode = 8;
// A checkpoint beside which another ran, or the first one that had everything to store.
constexpr std::size_t kOfTheJob = 3;

// Below it, what counts is not the memory.
constexpr std::uint64_t kTells = 64 << 20;
// Until there is something to go by: a network of a gigabit, half of it compressed away. Less than most sites have.
constexpr double kUnknown = 200 << 20;
// Whatever a checkpoint has to do besides.
constexpr std::chrono::milliseconds kRest{2000};

template <class Value>
void keep_last(std::deque<Value>& values, Value value, std::size_t count) {
  values.push_back(value);
  if (values.size() > count) values.pop_front();
}

}  // namespace

void NodeSpeed::note(const DumpCost& cost) {
  if (cost.fresh < std::max(kTells, cost.memory / 2)) return;
  const double seconds = std::max(0.001, static_cast<double>(cost.took.count()) / 1000);
  keep_last(recent_, static_cast<double>(cost.fresh) / seconds, kOfTheNode);
}

std::chrono::milliseconds NodeSpeed::for_new(std::uint64_t bytes) const {
  const double speed = recent_.empty() ? kUnknown : *std::min_element(recent_.begin(), recent_.end());
  return std::chrono::milliseconds(std::llround(static_cast<double>(bytes) / speed * 1000));
}

void DumpBudget::note(const DumpCost& cost) {
  keep_last(took_, cost.took, kOfTheJob);
  dumped_ = memory_ = cost.memory;
}

std::chrono::milliseconds DumpBudget::expected(const NodeSpeed& node) const {
  const auto known = took_.empty() ? kRest : *std::max_element(took_.begin(), took_.end());
  return (known + node.for_new(memory_ - std::min(memory_, dumped_))) * 3 / 2;
}

}  // namespace stasis
