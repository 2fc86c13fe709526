// SPDX-License-Identifier: Apache-2.0
// The half of CheckpointStore that removes things. Whatever is to go is renamed first, so that nothing half removed can
// be taken for a generation, and so that a removal that was cut off is found and finished by the next one.
#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "common/store.h"
#include "common/store_layout.h"

namespace stasis {
namespace {

// By generation, the files of it that are used.
using Used = std::map<std::uint32_t, std::set<std::string>>;

struct Plan {
  std::vector<Generation> drop;
  Used used;
  bool certain = true;  // false: a manifest could not be read, so nobody knows what it uses
};

Result<void> keep_as_base(FileSystem& files, const std::string& directory, const Generation& generation) {
  const std::string base = directory + "/" + base_name(generation.number);
  STASIS_TRY(files.rename(generation.directory, base));
  return files.sync_directory(directory);
}

// Of a base only what is used has to stay.
Result<void> thin_out(FileSystem& files, const std::string& base, const std::set<std::string>& used) {
  STASIS_LET(const auto names, files.list(base));
  for (const auto& name : names) {
    if (used.count(name) == 0) STASIS_TRY(files.remove(base + "/" + name));
  }
  return {};
}

}  // namespace

Result<void> CheckpointStore::remove_tree(FileSystem& files, const std::string& directory) const {
  const std::string parent = parent_of(directory);
  const std::string old = parent + "/" + std::string(kOldPrefix) + directory.substr(parent.size() + 1);
  STASIS_TRY(files.remove(old));
  if (auto renamed = files.rename(directory, old); !renamed) {
    if (renamed.error().kind == ErrorKind::not_found) return {};
    return renamed;
  }
  STASIS_TRY(files.sync_directory(parent));
  return files.remove(old);
}

Result<void> CheckpointStore::prune(const JobKey& job, const std::string& part, int keep) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(const auto all, generations(job, part));
  Plan plan;
  int kept = 0;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    const auto manifest = read_with(*files, *at, job, part);
    const bool unknown = !manifest && manifest.error().kind != ErrorKind::corrupt;
    if (!unknown && kept >= std::max(keep, 1)) {
      plan.drop.push_back(*at);
      continue;
    }
    // What another program version wrote, or cannot be read just now, is neither counted nor touched.
    if (!unknown) ++kept;
    plan.certain &= manifest.has_value();
    if (!manifest) continue;
    for (const auto& stream : manifest->streams) plan.used[stream.generation].insert(stream.file);
  }
  STASIS_LET(const auto aside, set_aside(job, part));
  for (const auto& generation : aside) {
    const auto manifest = read_with(*files, generation, job, part);
    plan.certain &= manifest.has_value();
    if (!manifest) continue;
    for (const auto& stream : manifest->streams) plan.used[stream.generation].insert(stream.file);
  }
  for (const auto& generation : plan.drop) {
    const bool used = !plan.certain || plan.used.count(generation.number) != 0;
    STASIS_TRY(used ? keep_as_base(*files, directory, generation) : remove_tree(*files, generation.directory));
  }
  STASIS_LET(const auto names, files->list(directory));
  for (const auto& name : names) {
    const std::string path = directory + "/" + name;
    const auto hidden = parse_hidden_name(name);
    const auto base = parse_base_name(name);
    // One that is being written has a number that is still to come.
    if (name.starts_with(kOldPrefix) || (hidden && !all.empty() && *hidden <= all.back().number)) {
      STASIS_TRY(files->remove(path));
    }
    if (!base || !plan.certain) continue;
    const auto used = plan.used.find(*base);
    STASIS_TRY(used == plan.used.end() ? remove_tree(*files, path) : thin_out(*files, path, used->second));
  }
  return {};
}

Result<void> CheckpointStore::remove_part(const JobKey& job, const std::string& part) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  return remove_tree(*files, part_directory(job, part));
}

Result<void> CheckpointStore::remove(const JobKey& job) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  return remove_tree(*files, job_directory(job));
}

Result<std::chrono::seconds> CheckpointStore::idle_for(const JobKey& job) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(const auto parts, files->list(job_directory(job)));
  STASIS_LET(const auto facts, files->directory_facts(job_directory(job)));
  if (!facts) return fail(ErrorKind::not_found, "there is nothing of that job");
  std::chrono::seconds least = facts->age;
  for (const auto& part : parts) {
    STASIS_LET(const auto of_part, files->directory_facts(part_directory(job, part)));
    if (of_part) least = std::min(least, of_part->age);
  }
  return least;
}

Result<std::vector<JobKey>> CheckpointStore::all_jobs(const std::string& cluster) const {
  STASIS_LET(const auto users, files_->list(root_ + "/" + cluster));
  std::vector<JobKey> found;
  for (const auto& user : users) {
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(user.data(), user.data() + user.size(), uid);
    if (error != std::errc() || end != user.data() + user.size()) continue;
    // One user's directory that cannot be read is no reason to forget the others.
    const auto files = files_for(cluster, uid);
    if (!files) continue;
    const auto names = (*files)->list(root_ + "/" + cluster + "/" + user);
    if (!names) continue;
    for (const auto& name : *names) {
      // Also what is only half removed: remove() goes on with it.
      const bool old = name.starts_with(kOldPrefix);
      const auto parsed = parse_job_name(old ? std::string_view(name).substr(kOldPrefix.size()) : name);
      if (parsed) found.push_back({cluster, uid, parsed->job, parsed->first_start});
    }
  }
  return found;
}

}  // namespace stasis
