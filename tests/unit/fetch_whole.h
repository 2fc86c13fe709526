// SPDX-License-Identifier: Apache-2.0
// fetch_whole.h - both steps of a fetch, for who does nothing in between.
#pragma once

#include "common/store.h"

namespace stasis {

inline Result<Manifest> fetch_whole(const CheckpointStore& store, const Generation& generation, const JobKey& job,
                                    const std::string& part, int into, const PageObserver& observer = {}) {
  STASIS_LET(auto fetched, store.fetch_all_but_memory(generation, job, part, into));
  ImageProgress progress(fetched.map);
  STASIS_LET(const PutPages put, into_whole_images(fetched.map, into));
  STASIS_TRY(store.fetch_memory(fetched, put, observer, progress, 3));
  return std::move(fetched.manifest);
}

}  // namespace stasis
