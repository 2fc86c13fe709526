// SPDX-License-Identifier: Apache-2.0
// run_record.h - what a run's keeper remembers of its checkpoints, for people and for the metrics. Nothing is decided
// by it, and a daemon that is started anew begins with an empty one.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>
#include <string>

#include "common/message.h"

namespace stasis {

struct RunRecord {
  std::time_t began = 0;         // it runs since then, as far as this daemon has seen; 0: not yet
  std::uint32_t number = 0;      // of its last checkpoint; 0: none is known
  std::time_t made_at = 0;       // of that one
  std::uint64_t bytes = 0;       // written to the store for it
  std::int64_t frozen_ms = 0;    // how long the tree stood still for it
  std::int64_t took_ms = 0;      // publishing included
  std::time_t next_due = 0;      // of the interval; 0: none is due
  std::string trouble;           // why the last attempt came to nothing; empty: it did not
  std::time_t resumed_from = 0;  // when the checkpoint that it goes on from was made; 0: it began from scratch
  bool loss_is_counted = false;  // what was lost when it was resumed has been told

  void begin(std::time_t now) {
    if (began == 0) began = now;
  }
  void resume(std::uint32_t checkpoint, std::time_t made) {
    number = checkpoint;
    made_at = resumed_from = made;
  }
  // Run time that no checkpoint holds.
  std::chrono::seconds at_risk(std::time_t now) const;
  // Takes in what make_checkpoint() says; returns the run time that is safe since then and was not before.
  std::chrono::seconds note(const Message& result, std::time_t now);
  // After a look at the job (job_fields.h): the time between the checkpoint that it goes on from and its requeue, once.
  // What the runs before had computed in it is lost.
  std::chrono::seconds take_loss(const Message& job);
};

}  // namespace stasis
