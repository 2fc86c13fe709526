// SPDX-License-Identifier: Apache-2.0
#include "daemon/job_files.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/files_as.h"
#include "common/memory_use.h"
#include "common/namespaces.h"
#include "common/proc.h"
#include "common/read_file.h"
#include "daemon/images_file.h"
#include "daemon/job_tmpdir.h"
#include "daemon/script_place.h"
#include "daemon/space.h"

namespace stasis {
namespace {

constexpr char kLedger[] = "ledger";
constexpr char kScratch[] = "scratch";
constexpr std::size_t kListLimit = 1 << 30;
constexpr int kRolledBack = 0;
constexpr int kNotRolledBack = 1;

std::string index_file(const Config& config, const Run& run) { return local_directory(config, run.facts) + "/index"; }

// Never half written: a next checkpoint that believed it would take over the wrong pieces.
void save_index(const std::string& path, const FileIndex& index) {
  const std::string fresh = path + ".new";
  if (write_images_file(AT_FDCWD, fresh, write_file_index(index))) (void)::rename(fresh.c_str(), path.c_str());
}

// PATH[:PATH...]; only absolute ones mean the same on every node.
std::vector<std::string> split_paths(const std::string& text) {
  std::vector<std::string> paths;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(':', at), text.size());
    std::string path = text.substr(at, end - at);
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    if (path.size() > 1 && path.front() == '/') paths.push_back(path);
    at = end + 1;
  }
  return paths;
}

Result<FileIdentity> identity_of_job(const Run& run) {
  STASIS_LET(const ProcStatus shim, read_proc_status(run.facts.shim));
  return FileIdentity{run.facts.uid, run.facts.gid, shim.groups};
}

std::uint64_t free_bytes(const std::string& path) {
  struct statvfs status {};
  return ::statvfs(path.c_str(), &status) == 0 ? std::uint64_t{status.f_bavail} * status.f_frsize : 0;
}

}  // namespace

JobFiles::JobFiles(const Run& run, const Config& config, const CheckpointStore& store, std::uint32_t number, int images)
    : run_(&run), config_(&config), store_(&store), images_(images), archive_(images, number) {}

Result<JobFiles> JobFiles::open(const Run& run, const Config& config, const CheckpointStore& store,
                                const Generation* previous, std::uint32_t number, int images) {
  JobFiles files(run, config, store, number, images);
  STASIS_LET(files.scratch_, open_scratch(run.init, run.init_pidfd));
  STASIS_LET(const FileIdentity user, identity_of_job(run));
  if (auto tmpdir = open_job_tmpdir(run, user)) files.scratch_.push_back(std::move(*tmpdir));
  if (previous == nullptr) return files;
  auto manifest = store.read(*previous, run.key, run.part);
  // One that cannot be read is no reason not to make a new one.
  if (!manifest) return files;
  files.previous_ = std::move(*manifest);
  if (const auto text = read_file(index_file(config, run), kListLimit)) {
    if (auto index = read_file_index(*text)) files.before_ = std::move(*index);
  }
  drop_poor_streams(files.before_, *files.previous_);
  return files;
}

Result<void> JobFiles::check_space(const std::vector<CapsuleProcess>& tree) {
  const Policy& policy = config_->policy_for(run_->facts.partition);
  SpaceNeeds needs;
  needs.memory = memory_ = memory_to_dump(tree);
  STASIS_LET(const FileIdentity user, identity_of_job(*run_));
  STASIS_LET(const auto open, open_files(tree, user));
  mapped_ = mapped_of(open);
  for (const auto& file : open) {
    const auto size = static_cast<std::uint64_t>(file.status.st_size);
    const IndexedFile* const known = before_.find(file.path);
    if (file.writing == Writing::none || size > policy.file_copy_limit) continue;
    needs.files +=
        known != nullptr && file.writing == Writing::append ? size - std::min(size, known->stamp.size) : size;
  }
  // Of a first checkpoint nobody knows how well it compresses: only what surely does not fit is refused.
  needs.ratio = policy.compression > 0 ? 0.1 : 1;
  if (previous_) {
    // What was there already did not count then, and will not now.
    std::uint64_t plain = 0, stored = 0;
    for (const auto& stream : previous_->streams) {
      plain += stream.data.size;
      if (stream.generation == previous_->number) stored += stream.data.stored;
    }
    if (plain > 0) needs.ratio = static_cast<double>(stored) / static_cast<double>(plain);
  }
  SpaceLeft left;
  left.local = free_bytes(config_->local);
  left.local_limit = config_->local_limit;
  if (left.local_limit != 0) left.local_used = bytes_below(config_->local);
  // Before the very first checkpoint of all there may be no store yet.
  left.store = store_->free_space().value_or(UINT64_MAX);
  return stasis::check_space(needs, left);
}

void JobFiles::save_in_advance() { save_scratch_in_advance(scratch_, mapped_, archive_, before_); }

Result<void> JobFiles::note_frozen(const std::vector<CapsuleProcess>& tree) {
  LedgerOptions options;
  STASIS_LET(options.user, identity_of_job(*run_));
  STASIS_LET(const auto open, open_files(tree, options.user));
  options.copy_limit = config_->policy_for(run_->facts.partition).file_copy_limit;
  for (const auto& directory : scratch_) options.elsewhere.push_back(directory.path);
  STASIS_LET(Ledger ledger, take_ledger(open, options, before_, archive_, after_));
  if (const auto& with = run_->facts.request.with) {
    const std::string root = "/proc/" + std::to_string(run_->init) + "/root";
    STASIS_TRY(add_trees(ledger, root, split_paths(*with), options, before_, archive_, after_));
  }
  STASIS_TRY(write_images_file(images_, kLedger, write_ledger(ledger)));
  STASIS_LET(const FileTree tree_of_scratch,
             in_context("private /tmp, /dev/shm and $TMPDIR",
                        save_scratch(scratch_, mapped_of(open), before_, archive_, after_)));
  return write_images_file(images_, kScratch, write_file_tree(tree_of_scratch));
}

std::vector<ManifestStream> JobFiles::taken_over() const {
  std::vector<ManifestStream> streams;
  if (!previous_) return streams;
  for (const auto number : streams_of(after_)) {
    if (const auto* stream = previous_->stream(archive_stream_name(number))) streams.push_back(*stream);
  }
  return streams;
}

void JobFiles::remember(const Manifest& published) const {
  FileIndex index = after_;
  index.belongs_to = identity_of(published);
  save_index(index_file(*config_, *run_), index);
}

Result<void> let_criu_reach_files(const Run& run, int images) {
  STASIS_LET(const FileIdentity user, identity_of_job(run));
  std::string text = std::to_string(user.uid) + " " + std::to_string(user.gid);
  for (const gid_t group : user.groups) text += " " + std::to_string(group);
  return write_images_file(images, kFilesAs, text + "\n");
}

// The job's files are opened as the job's user, in its mount namespace. The reason of a failure comes back in a file
// of the images, for an exit code has no room for it.
static Result<void> roll_back_files(const Run& run, const Ledger& ledger, int images) {
  STASIS_LET(const FileIdentity user, identity_of_job(run));
  const UniqueFd reason(::openat(images, "rollback.out", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!reason) return fail(errno_error("create rollback.out", errno));
  STASIS_LET(const int code, call_in_capsule(run.init_pidfd, [&] {
               const auto done = roll_back(ledger, images, user);
               if (done) return kRolledBack;
               (void)!::write(reason.get(), done.error().message.data(), done.error().message.size());
               return kNotRolledBack;
             }));
  if (code == kRolledBack) return {};
  return fail(ErrorKind::unsupported,
              read_images_file(images, "rollback.out").value_or("the job's files cannot be put back"));
}

Result<void> put_job_files_back(const Run& run, const Config& config, const Manifest& manifest, int images) {
  STASIS_TRY(let_criu_reach_files(run, images));
  STASIS_LET(const std::string ledger_text, read_images_file(images, kLedger));
  STASIS_LET(Ledger ledger, read_ledger(ledger_text));
  if (manifest.job.job != run.facts.job) {
    STASIS_TRY(move_script(images, ledger, manifest.job.job, run.facts.command));
  }
  STASIS_LET(const std::string tree_text, read_images_file(images, kScratch));
  STASIS_LET(const FileTree tree, read_file_tree(tree_text));
  STASIS_LET(auto scratch, open_scratch(run.init, run.init_pidfd));
  for (const auto& root : roots_of(tree)) {
    if (std::find(std::begin(kScratchPaths), std::end(kScratchPaths), root) != std::end(kScratchPaths)) continue;
    STASIS_LET(const FileIdentity user, identity_of_job(run));
    STASIS_LET(auto tmpdir, make_job_tmpdir(run, root, user));
    scratch.push_back(std::move(tmpdir));
  }
  STASIS_LET(FileIndex index, restore_scratch(scratch, run.init, images, tree));
  STASIS_TRY(roll_back_files(run, ledger, images));
  for (const auto& file : ledger.files) {
    // What is appended from here on is told from what is there by the tail; the times are others by now.
    if (file.has_copy) index.files[file.path] = {file.stamp, false, file.pieces, file.tail};
  }
  index.belongs_to = identity_of(manifest);
  save_index(index_file(config, run), index);
  return {};
}

}  // namespace stasis
