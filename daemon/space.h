// SPDX-License-Identifier: Apache-2.0
// space.h - whether a checkpoint can fit, before a job is held up for it.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.h"

namespace stasis {

struct SpaceNeeds {
  std::uint64_t memory = 0;  // of the tree
  std::uint64_t files = 0;   // to be copied
  // Of what is written to the node's disk, how much gets to the store; of the last checkpoint, if there was one.
  double ratio = 1;
};

struct SpaceLeft {
  std::uint64_t local = 0;        // free
  std::uint64_t local_used = 0;   // by checkpoints
  std::uint64_t local_limit = 0;  // 0: none
  std::uint64_t store = 0;        // free
};

// no_space: with what is needed, what there is, and where.
Result<void> check_space(const SpaceNeeds& needs, const SpaceLeft& left);

// Bytes in use below the directory.
std::uint64_t bytes_below(const std::string& directory);

}  // namespace stasis
