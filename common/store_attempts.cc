// SPDX-License-Identifier: Apache-2.0
// The part of CheckpointStore that remembers where a restore was tried in vain: a node may lack what another one has,
// but a job must not wander for ever. An empty file per attempt, beside the generations of the part.
#include <algorithm>

#include "common/store.h"
#include "common/store_layout.h"

namespace stasis {

Result<int> CheckpointStore::note_failed_restore(const JobKey& job, const std::string& part, std::uint32_t restarts,
                                                 const std::string& node) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  const std::string name = attempt_name(restarts, node);
  STASIS_LET(auto names, files->list(directory));
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    STASIS_LET(const auto file, files->create(directory + "/" + name));
    STASIS_TRY(file->sync());
    STASIS_TRY(files->sync_directory(directory));
    names.push_back(name);
  }
  return static_cast<int>(std::count_if(names.begin(), names.end(), is_attempt_name));
}

Result<void> CheckpointStore::forget_failed_restores(const JobKey& job, const std::string& part) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(const auto names, files->list(directory));
  for (const auto& name : names) {
    if (is_attempt_name(name)) STASIS_TRY(files->remove(directory + "/" + name));
  }
  return {};
}

}  // namespace stasis
