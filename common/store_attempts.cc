// SPDX-License-Identifier: Apache-2.0
// The part of CheckpointStore that remembers where a restore was tried in vain: a node may lack what another one has,
// but a job must not wander for ever. An empty file per attempt, beside the generations of the part; and one per node
// that is known to lack it, beside the parts.
#include <algorithm>

#include "common/store.h"
#include "common/store_layout.h"

namespace stasis {
namespace {

Result<void> note(FileSystem& files, const std::string& directory, const std::string& name) {
  STASIS_LET(const auto names, files.list(directory));
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  STASIS_LET(const auto file, files.create(directory + "/" + name));
  STASIS_TRY(file->sync());
  return files.sync_directory(directory);
}

}  // namespace

Result<int> CheckpointStore::note_failed_restore(const JobKey& job, const std::string& part, std::uint32_t restarts,
                                                 const std::string& node) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_TRY(note(*files, directory, attempt_name(restarts, node)));
  STASIS_LET(const auto names, files->list(directory));
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

Result<void> CheckpointStore::note_unfit_node(const JobKey& job, const std::string& node) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  return note(*files, job_directory(job), unfit_name(node));
}

Result<std::vector<std::string>> CheckpointStore::unfit_nodes(const JobKey& job) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(const auto names, files->list(job_directory(job)));
  std::vector<std::string> nodes;
  for (const auto& name : names) {
    if (auto node = parse_unfit_name(name)) nodes.push_back(std::move(*node));
  }
  return nodes;
}

}  // namespace stasis
