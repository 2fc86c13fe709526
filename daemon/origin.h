// SPDX-License-Identifier: Apache-2.0
// origin.h - where a new job goes on from when its user has named a checkpoint of another one (--checkpoint-from).
#pragma once

#include <vector>

#include "common/slurm_client.h"
#include "common/store.h"
#include "daemon/run.h"

namespace stasis {

struct Origin {
  JobKey key;
  std::vector<Generation> generations;  // of its script, in the order in which they are to be tried; not empty
};

// Of the same user, by the uid in the store's paths: nobody can name another's. Nothing of that job is changed.
//
// busy: what becomes of that job is not known just now. Any other error is a sentence for the user: there is no such
// checkpoint, or that job may still write the files that this one would write.
Result<Origin> find_origin(const Run& run, const CheckpointStore& store, SlurmClient& slurm);

}  // namespace stasis
