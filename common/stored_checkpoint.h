// SPDX-License-Identifier: Apache-2.0
// stored_checkpoint.h - what there is of a job in the store, for people: one value per checkpoint, in how much detail
// the caller wants to pay for.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "common/message.h"
#include "common/store.h"

namespace stasis {

// How far one looks: names only, which needs no key; manifests; or every byte, which reads all of it.
enum class LookAt { names, manifests, everything };

struct StoredCheckpoint {
  JobKey job;
  std::string part;
  std::uint32_t number = 0;
  std::string directory;
  bool aside = false;  // not one that the job would go on from
  // From here on as the manifest has it: empty where only names were looked at, or where it is damaged.
  std::time_t made_at = 0;
  std::string node;
  std::string reason;
  std::uint32_t restarts = 0;
  std::uint64_t bytes = 0;   // written to the store for it
  std::uint64_t needed = 0;  // in the store, those of earlier ones included
  std::string damage;        // why it cannot be used; empty: nothing was found

  // As a message "checkpoint", and back. corrupt: a field is missing or out of range.
  Message to_message() const;
  static Result<StoredCheckpoint> from_message(const Message& message);

  friend bool operator==(const StoredCheckpoint&, const StoredCheckpoint&) = default;
};

// Of each of `jobs` (CheckpointStore::jobs()) every part's checkpoints, oldest first. `number`: only that one, of the
// part "batch". One that is damaged is in the list, with its damage; an error means that the store cannot be read.
Result<std::vector<StoredCheckpoint>> stored_checkpoints(const CheckpointStore& store, const std::vector<JobKey>& jobs,
                                                         LookAt how_far, std::optional<std::uint32_t> number = {});

}  // namespace stasis
