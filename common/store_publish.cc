// SPDX-License-Identifier: Apache-2.0
#include "common/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/store_layout.h"
#include "common/stream_files.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

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

}  // namespace stasis
