// SPDX-License-Identifier: Apache-2.0
#include "common/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "common/store_layout.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

// For looks that no group has a say in.
constexpr gid_t kNoGroup = 65534;

// A job that starts has its node's processors to itself anyway.
constexpr int kReadThreads = 4;

void sort_by_age(std::vector<JobKey>& keys) {
  std::sort(keys.begin(), keys.end(), [](const auto& a, const auto& b) { return a.first_start < b.first_start; });
}

// What there is to publish, by name. Names with a dot in front are for whoever works in that directory.
Result<std::vector<std::string>> stream_names(int images) {
  std::vector<std::string> names;
  std::error_code error;
  const std::string path = "/proc/self/fd/" + std::to_string(images);
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (!at->path().filename().string().starts_with('.')) names.push_back(at->path().filename());
  }
  if (error) return fail(errno_error("list the images", error.value()));
  std::sort(names.begin(), names.end());
  return names;
}

Result<UniqueFd> open_image(int images, const std::string& name) {
  // Not blocking: a FIFO in the place of a file must not hold anybody up.
  UniqueFd fd(::openat(images, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return fail(errno_error("open image " + name, errno));
  return fd;
}

// The files that the streams of one generation are in, each opened once.
class StreamFiles {
 public:
  StreamFiles(FileSystem& files, std::string part_directory) : files_(files), directory_(std::move(part_directory)) {}

  Result<const InputFile*> open(const ManifestStream& stream) {
    auto& file = open_[{stream.generation, stream.file}];
    if (!file) {
      STASIS_LET(file, find(stream));
    }
    return file.get();
  }

 private:
  // Between the first look and the second, a prune may have given the directory its other name; prunes do not undo it.
  Result<std::unique_ptr<InputFile>> find(const ManifestStream& stream) {
    for (const auto& name :
         {generation_name(stream.generation), base_name(stream.generation), aside_name(stream.generation)}) {
      auto found = files_.open(directory_ + "/" + name + "/" + stream.file);
      if (found || found.error().kind != ErrorKind::not_found) return found;
    }
    return fail(ErrorKind::corrupt,
                "has lost its file " + stream.file + " of checkpoint " + std::to_string(stream.generation));
  }

  FileSystem& files_;
  std::string directory_;
  std::map<std::pair<std::uint32_t, std::string>, std::unique_ptr<InputFile>> open_;
};

Result<void> check_inherited(FileSystem& files, const std::string& part_directory, const Manifest& manifest) {
  StreamFiles holders(files, part_directory);
  for (const auto& stream : manifest.streams) {
    // Made with create().
    if (stream.generation == manifest.number) continue;
    STASIS_LET(const InputFile* const file, in_context(stream.name, holders.open(stream)));
    if (stream.generation > manifest.number || file->size() < stream.offset + stream.data.stored) {
      return fail(ErrorKind::corrupt,
                  stream.name + " cannot be taken over from checkpoint " + std::to_string(stream.generation));
    }
  }
  return {};
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

Result<void> CheckpointStore::write_generation(FileSystem& files, int images, const std::string& hidden,
                                               Manifest& manifest, Compression compression) const {
  STASIS_TRY(check_inherited(files, parent_of(hidden), manifest));
  STASIS_LET(const auto names, stream_names(images));
  StreamEncoder encoder(compression);
  STASIS_LET(const auto pack, files.create(hidden + "/" + kPackName));
  std::uint64_t packed = 0;
  for (const auto& name : names) {
    if (manifest.stream(name) != nullptr) return fail(ErrorKind::failed, name + " is there already");
    STASIS_LET(const UniqueFd image, open_image(images, name));
    ManifestStream stream{name, {}, kPackName, packed, manifest.number};
    if (name.starts_with(kSharedPrefix)) {
      stream.file = name;
      stream.offset = 0;
      STASIS_LET(const auto own, files.create(hidden + "/" + name));
      STASIS_LET(stream.data, in_context("store " + name, encoder.encode(image.get(), *own)));
      STASIS_TRY(own->sync());
    } else {
      STASIS_LET(stream.data, in_context("store " + name, encoder.encode(image.get(), *pack)));
      packed += stream.data.stored;
    }
    manifest.streams.push_back(std::move(stream));
  }
  STASIS_TRY(pack->sync());
  const std::string text = write_manifest(manifest, keys_);
  if (text.size() > kManifestLimit) return fail(ErrorKind::unsupported, "too many images for one manifest");
  STASIS_LET(const auto file, files.create(hidden + "/" + kManifestName));
  STASIS_TRY(file->append(text.data(), text.size()));
  return file->sync();
}

Result<Publication> CheckpointStore::begin(const Manifest& manifest) const {
  STASIS_LET(auto files, make_directories(manifest));
  const std::string directory = part_directory(manifest.job, manifest.part);
  const std::string target = directory + "/" + generation_name(manifest.number);
  const std::string hidden = directory + "/" + hidden_name(manifest.number, manifest.node);
  STASIS_TRY(files->remove(hidden));
  STASIS_LET(const auto there, files->directory_facts(target));
  if (there) return fail(ErrorKind::busy, "checkpoint " + std::to_string(manifest.number) + " exists already");
  STASIS_LET(const bool made, files->make_directory(hidden, 0700));
  if (!made) return fail(ErrorKind::busy, "somebody else writes " + hidden);
  return Publication(*this, std::move(files), hidden, target);
}

Publication::~Publication() {
  if (files_) (void)files_->remove(hidden_);
}

Result<std::unique_ptr<OutputFile>> Publication::create(const std::string& name) {
  return files_->create(hidden_ + "/" + name);
}

Result<Generation> Publication::publish(int images, Manifest manifest, Compression compression) {
  Generation generation{manifest.number, target_};
  STASIS_TRY(store_->write_generation(*files_, images, hidden_, manifest, compression));
  STASIS_TRY(publish_directory(*files_, hidden_, target_));
  files_.reset();
  for (const auto& stream : manifest.streams) {
    if (stream.generation == manifest.number) generation.bytes += stream.data.stored;
  }
  return generation;
}

Result<Generation> CheckpointStore::publish(int images, Manifest manifest, Compression compression) const {
  STASIS_LET(Publication publication, begin(manifest));
  return publication.publish(images, std::move(manifest), compression);
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

namespace {

Result<ScratchString> read_stream(StreamFiles& holders, const ManifestStream& stream) {
  ScratchString text;
  const Sink sink = [&text](const char* data, std::size_t size) -> Result<void> {
    text.append(data, size);
    return {};
  };
  STASIS_LET(const InputFile* const file, in_context(stream.name, holders.open(stream)));
  STASIS_TRY(in_context(stream.name, decode_stream(*file, stream.offset, stream.data, sink)));
  return text;
}

Result<PageMap> read_memory(StreamFiles& holders, const Manifest& manifest) {
  const ManifestStream* const stream = manifest.stream(kMemoryStream);
  if (stream == nullptr) return PageMap{};
  STASIS_LET(const ScratchString text, read_stream(holders, *stream));
  return read_page_map(text);
}

OpenPageFile page_files_of(StreamFiles& holders, const Manifest& manifest) {
  return [&](std::uint32_t generation) -> Result<const InputFile*> {
    const ManifestStream* const stream = manifest.stream(page_file_name(generation));
    if (stream == nullptr) return fail(ErrorKind::corrupt, "does not name " + page_file_name(generation));
    return in_context(stream->name, holders.open(*stream));
  };
}

}  // namespace

Result<PageMap> CheckpointStore::memory_map(const Manifest& manifest) const {
  STASIS_LET(const auto files, files_for(manifest.job.cluster, manifest.job.uid));
  StreamFiles holders(*files, part_directory(manifest.job, manifest.part));
  return read_memory(holders, manifest);
}

Result<Manifest> CheckpointStore::verify(const Generation& generation, const JobKey& job,
                                         const std::string& part) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(Manifest manifest, read_with(*files, generation, job, part));
  StreamFiles holders(*files, part_directory(job, part));
  const Sink nowhere = [](const char*, std::size_t) -> Result<void> { return {}; };
  for (const auto& stream : manifest.streams) {
    if (stream.data.encoding == Encoding::blocks) continue;
    STASIS_LET(const InputFile* const file, in_context(stream.name, holders.open(stream)));
    STASIS_TRY(in_context(stream.name, decode_stream(*file, stream.offset, stream.data, nowhere)));
  }
  STASIS_LET(const PageMap map, read_memory(holders, manifest));
  STASIS_TRY(verify_page_files(map, keys_, page_files_of(holders, manifest), kReadThreads));
  return manifest;
}

Result<CheckpointStore::Fetched> CheckpointStore::fetch_all_but_memory(const Generation& generation, const JobKey& job,
                                                                       const std::string& part, int into) const {
  STASIS_LET(const auto files, files_for(job.cluster, job.uid));
  STASIS_LET(Manifest manifest, read_with(*files, generation, job, part));
  StreamFiles holders(*files, part_directory(job, part));
  for (const auto& stream : manifest.streams) {
    if (stream.data.encoding == Encoding::blocks) continue;
    STASIS_LET(const InputFile* const file, in_context(stream.name, holders.open(stream)));
    // Not synced: after a power cut there is nobody who would go on with it.
    const UniqueFd out(::openat(into, stream.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!out) return fail(errno_error("create " + stream.name, errno));
    FileSink target(out.get());
    const Sink sink = [&target](const char* data, std::size_t size) { return target.write(data, size); };
    STASIS_TRY(in_context(stream.name, decode_stream(*file, stream.offset, stream.data, sink)));
    STASIS_TRY(in_context(stream.name, target.finish()));
  }
  STASIS_LET(PageMap map, read_memory(holders, manifest));
  STASIS_TRY(make_images(map, into));
  return Fetched{std::move(manifest), std::move(map)};
}

Result<void> CheckpointStore::fetch_memory(const Fetched& fetched, int into, const PageObserver& observer,
                                           ImageProgress& progress) const {
  const auto fetch = [&]() -> Result<void> {
    const Manifest& manifest = fetched.manifest;
    STASIS_LET(const auto files, files_for(manifest.job.cluster, manifest.job.uid));
    StreamFiles holders(*files, part_directory(manifest.job, manifest.part));
    return fill_images(fetched.map, keys_, page_files_of(holders, manifest), into, kReadThreads, observer, progress);
  };
  auto done = fetch();
  if (!done) progress.fail(done.error());
  return done;
}

Result<std::uint64_t> CheckpointStore::free_space() const { return files_->free_space(root_); }

}  // namespace stasis
