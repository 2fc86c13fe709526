// SPDX-License-Identifier: Apache-2.0
// dump_budget.h - how long a job's last checkpoint will take, so that it begins in time. Pure.
//
// The job's own checkpoints tell best. What it has grown by since, and all of a job that has made none here, is
// reckoned with at the speed at which this node has lately stored memory that was new.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace stasis {

// Of one checkpoint.
struct DumpCost {
  std::uint64_t memory = 0;           // of the job, in bytes
  std::uint64_t fresh = 0;            // what the store did not have of it
  std::chrono::milliseconds took{0};  // publishing included
};

// What a node, its processors and its way to the store can do.
class NodeSpeed {
 public:
  // Those of any job of the node. What had little to store tells nothing.
  void note(const DumpCost& cost);
  // As slow as the slowest of the last ones.
  std::chrono::milliseconds for_new(std::uint64_t bytes) const;

 private:
  std::deque<double> recent_;  // bytes a second
};

// Of one run.
class DumpBudget {
 public:
  // This run has made a checkpoint.
  void note(const DumpCost& cost);
  // It has so much memory now.
  void see(std::uint64_t memory) { memory_ = memory; }
  std::uint64_t memory() const { return memory_; }
  // Half as long again as it should.
  std::chrono::milliseconds expected(const NodeSpeed& node) const;

 private:
  std::deque<std::chrono::milliseconds> took_;
  std::uint64_t dumped_ = 0;  // memory at the last one
  std::uint64_t memory_ = 0;
};

}  // namespace stasis
