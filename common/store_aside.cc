// SPDX-License-Identifier: Apache-2.0
// The part of CheckpointStore that lets a job go on from an earlier checkpoint than its last one. Later ones keep their
// numbers and all they are made of, so that it can be undone.
#include <algorithm>

#include "common/store.h"
#include "common/store_layout.h"

namespace stasis {

Result<std::vector<Generation>> CheckpointStore::set_aside(const JobKey& job, const std::string& part) const {
  return named(job, part, parse_aside_name);
}

Result<std::uint32_t> CheckpointStore::next_number(const JobKey& job, const std::string& part) const {
  STASIS_LET(const auto known, generations(job, part));
  STASIS_LET(const auto aside, set_aside(job, part));
  std::uint32_t last = 0;
  for (const auto* list : {&known, &aside}) {
    if (!list->empty()) last = std::max(last, list->back().number);
  }
  return last + 1;
}

Result<void> CheckpointStore::put_aside(const JobKey& job, const std::string& part, std::uint32_t number) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_TRY(files->rename(directory + "/" + generation_name(number), directory + "/" + aside_name(number)));
  return files->sync_directory(directory);
}

Result<void> CheckpointStore::bring_back(const JobKey& job, const std::string& part, std::uint32_t number) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_TRY(files->rename(directory + "/" + aside_name(number), directory + "/" + generation_name(number)));
  return files->sync_directory(directory);
}

}  // namespace stasis
