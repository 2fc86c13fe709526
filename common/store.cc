// SPDX-License-Identifier: Apache-2.0
#include "common/store.h"

#include <algorithm>

#include "common/store_layout.h"

namespace stasis {
namespace {

// For looks that no group has a say in.
constexpr gid_t kNoGroup = 65534;

void sort_by_age(std::vector<JobKey>& keys) {
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first_start < b.first_start; });
}

}  // namespace

CheckpointStore::CheckpointStore(std::string root, Keys keys)
    : CheckpointStore(std::move(root), std::move(keys), make_posix_file_system()) {}

CheckpointStore::CheckpointStore(std::string root, Keys keys, std::shared_ptr<FileSystem> files)
    : root_(std::move(root)), keys_(std::move(keys)), files_(std::move(files)) {}

CheckpointStore CheckpointStore::at_users(const std::string& directory, const FileIdentity& user) const {
  return {directory, keys_, make_posix_file_system(user)};
}

std::string CheckpointStore::user_directory(const std::string& cluster, uid_t uid) const {
  return root_ + "/" + cluster + "/" + std::to_string(uid);
}

std::string CheckpointStore::job_directory(const JobKey& job) const {
  return user_directory(job.cluster, job.uid) + "/" + job_name({job.job, job.first_start});
}

std::string CheckpointStore::part_directory(const JobKey& job, const std::string& part) const {
  return job_directory(job) + "/" + part;
}

// Where root is nobody, NFS may refuse it even the facts about a directory that it may not read: with Linux 7.2 it
// does, now and then. The user gets to know them always; they are the same for everybody.
Result<std::optional<DirectoryFacts>> CheckpointStore::user_directory_facts(const std::string& path, uid_t uid) const {
  auto facts = files_->directory_facts(path);
  if (facts || facts.error().kind != ErrorKind::denied) return facts;
  return files_->acting_as(uid, kNoGroup)->directory_facts(path);
}

Result<std::shared_ptr<FileSystem>> CheckpointStore::files_for(const std::string& cluster, uid_t uid) const {
  const std::string path = user_directory(cluster, uid);
  STASIS_LET(const auto facts, user_directory_facts(path, uid));
  if (!facts || facts->uid == files_->uid()) return files_;
  if (facts->uid == 0) return fail(ErrorKind::denied, path + " is for root only");
  // Somebody else's directory in this place is a trap.
  if (facts->uid != uid) {
    return fail(ErrorKind::denied, path + " belongs to user " + std::to_string(facts->uid) +
                                       ", neither to root nor to " + std::to_string(uid));
  }
  return std::shared_ptr<FileSystem>(files_->acting_as(uid, facts->gid));
}

// Whether what root makes in `directory` is somebody else's. Found out under a name that only this run of the job uses:
// in the user's own place another node may have begun to write at any moment. Where everybody may write, a user may
// have taken that name; what cannot be removed is not root's, and harms nobody.
Result<bool> CheckpointStore::is_root_nobody_in(const std::string& directory, const Manifest& manifest) const {
  const std::string path = directory + "/" + probe_name(manifest.job.job, manifest.part, manifest.node);
  const auto made = files_->make_directory(path, 0700);
  if (!made && made.error().kind == ErrorKind::denied) return true;
  if (!made) return fail(made.error());
  STASIS_LET(const auto facts, files_->directory_facts(path));
  const auto removed = files_->remove(path);
  if (!removed && removed.error().kind != ErrorKind::denied) return fail(removed.error());
  return facts && facts->uid != files_->uid();
}

Result<void> CheckpointStore::make_user_directory(const Manifest& manifest) const {
  const std::string path = user_directory(manifest.job.cluster, manifest.job.uid);
  const std::string above = parent_of(path);
  STASIS_LET(const auto facts, user_directory_facts(path, manifest.job.uid));
  if (facts) return {};
  STASIS_LET(const bool is_nobody, is_root_nobody_in(above, manifest));
  if (!is_nobody) {
    STASIS_TRY(files_->make_directory(path, 0700));
    return files_->sync_directory(above);
  }
  const auto user = files_->acting_as(manifest.job.uid, manifest.gid);
  auto by_user = user->make_directory(path, 0700);
  // Another node may be about to open the directory above to users.
  if (!by_user && files_->set_mode(above, 01777)) by_user = user->make_directory(path, 0700);
  if (!by_user) {
    return fail(by_user.error().context("neither root nor the job's user may write below " + above +
                                        " (make it with mode 1777)"));
  }
  return user->sync_directory(above);
}

// To be passed through by users where the store is written as them; what is below shows nothing. Where the storage
// takes root for nobody, every user makes his own directory there, as in /tmp.
Result<void> CheckpointStore::make_shared_directory(const std::string& path) const {
  STASIS_LET(const bool made, files_->make_directory(path, 0711));
  if (!made) return {};
  STASIS_LET(const auto facts, files_->directory_facts(path));
  if (facts && facts->uid != files_->uid()) STASIS_TRY(files_->set_mode(path, 01777));
  return files_->sync_directory(parent_of(path));
}

// Each level is durable before the next one is begun.
Result<std::shared_ptr<FileSystem>> CheckpointStore::make_directories(const Manifest& manifest) const {
  for (const std::string& path : {root_, root_ + "/" + manifest.job.cluster}) {
    STASIS_TRY(make_shared_directory(path));
  }
  STASIS_TRY(make_user_directory(manifest));
  STASIS_LET(auto files, files_for(manifest.job.cluster, manifest.job.uid));
  for (const std::string& path : {job_directory(manifest.job), part_directory(manifest.job, manifest.part)}) {
    STASIS_LET(const bool made, files->make_directory(path, 0700));
    if (made) STASIS_TRY(files->sync_directory(parent_of(path)));
  }
  return files;
}

Result<std::vector<JobKey>> CheckpointStore::jobs(const std::string& cluster, uid_t uid, std::uint32_t job) const {
  STASIS_LET(const auto files, files_for(cluster, uid));
  STASIS_LET(const auto names, files->list(user_directory(cluster, uid)));
  std::vector<JobKey> found;
  for (const auto& name : names) {
    const auto parsed = parse_job_name(name);
    if (parsed && parsed->job == job) found.push_back({cluster, uid, job, parsed->first_start});
  }
  sort_by_age(found);
  return found;
}

Result<std::vector<std::string>> CheckpointStore::parts(const JobKey& job) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(auto names, files->list(job_directory(job)));
  std::erase_if(names, [](const std::string& name) { return name.starts_with('.'); });
  return names;
}

Result<std::vector<Generation>> CheckpointStore::named(const JobKey& job, const std::string& part,
                                                       std::optional<std::uint32_t> (*parse)(std::string_view)) const {
  const std::string directory = part_directory(job, part);
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(const auto names, files->list(directory));
  std::vector<Generation> found;
  for (const auto& name : names) {
    if (const auto number = parse(name)) found.push_back({*number, directory + "/" + name});
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  return found;
}

Result<std::vector<Generation>> CheckpointStore::generations(const JobKey& job, const std::string& part) const {
  return named(job, part, parse_generation_name);
}

Result<std::optional<Generation>> CheckpointStore::newest(const JobKey& job, const std::string& part) const {
  STASIS_LET(const auto all, generations(job, part));
  if (all.empty()) return std::optional<Generation>();
  std::optional<Error> newest_error;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    const auto manifest = read(*at, job, part);
    if (manifest) return std::optional(*at);
    if (!newest_error) newest_error = manifest.error().context("checkpoint " + std::to_string(at->number));
  }
  return fail(*newest_error);
}

Result<Manifest> CheckpointStore::read_with(FileSystem& files, const Generation& generation, const JobKey& job,
                                            const std::string& part) const {
  auto text = read_all(files, generation.directory + "/" + kManifestName, kManifestLimit);
  if (!text && text.error().kind == ErrorKind::not_found) return fail(ErrorKind::corrupt, "has no manifest");
  if (!text) return fail(text.error());
  STASIS_LET(Manifest manifest, read_manifest(*text, keys_));
  if (manifest.job != job || manifest.part != part || manifest.number != generation.number) {
    return fail(ErrorKind::corrupt, "manifest is of another checkpoint than its place says");
  }
  return manifest;
}

Result<Manifest> CheckpointStore::read(const Generation& generation, const JobKey& job, const std::string& part) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  return read_with(*files, generation, job, part);
}

Result<std::uint64_t> CheckpointStore::free_space() const { return files_->free_space(root_); }

}  // namespace stasis
