// SPDX-License-Identifier: Apache-2.0
#include "common/store.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "common/store_layout.h"
#include "common/stream_files.h"
#include "common/unique_fd.h"

namespace stasis {
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

int threads_for_pages(int busy) {
  constexpr int kMost = 4;
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()) - busy, 1, kMost);
}

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
  STASIS_TRY(verify_page_files(map, keys_, page_files_of(holders, manifest), threads_for_pages()));
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
  return Fetched{std::move(manifest), std::move(map)};
}

Result<void> CheckpointStore::fetch_memory(const Fetched& fetched, const PutPages& put, const PageObserver& observer,
                                           ImageProgress& progress, int threads) const {
  const auto fetch = [&]() -> Result<void> {
    const Manifest& manifest = fetched.manifest;
    STASIS_LET(const auto files, files_for(manifest.job.cluster, manifest.job.uid));
    StreamFiles holders(*files, part_directory(manifest.job, manifest.part));
    return put_images(fetched.map, keys_, page_files_of(holders, manifest), put, threads, observer, progress);
  };
  auto done = fetch();
  if (!done) progress.fail(done.error());
  return done;
}

}  // namespace stasis
