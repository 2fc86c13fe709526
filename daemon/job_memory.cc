// SPDX-License-Identifier: Apache-2.0
#include "daemon/job_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>

#include "common/file_index.h"
#include "daemon/criu_memory.h"
#include "daemon/images_file.h"
#include "daemon/process_memory.h"

namespace stasis {
namespace {

// As many as still leave most of a node to its jobs.
constexpr int kThreads = 4;
// Each is a file to be kept and opened; and what they hold in vain is bounded, as a half of each at most is.
constexpr std::size_t kMostPageFiles = 16;

Result<void> write_fully(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(fd, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write the memory map", errno));
    at += static_cast<std::size_t>(written);
  }
  return {};
}

Result<void> read_ranges(const ProcessMemory& memory, const MemoryRanges& ranges, std::uint64_t first,
                         std::uint32_t count, char* into) {
  for (const auto& piece : ranges.part(first, count)) {
    const std::size_t size = piece.pages * kPageSize;
    STASIS_TRY(memory.read(piece.address, size, into));
    into += size;
  }
  return {};
}

// Page files that hold more of the past than of the present are not referred to any more: what is needed of them is
// stored again.
void forget_poor_files(PageIndex& index) {
  const auto files = index.files();
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_use;
  for (const auto& [generation, use] : files) {
    if (use.used < (use.pages + 1) / 2) {
      index.forget(generation);
    } else {
      by_use.emplace_back(use.used, generation);
    }
  }
  std::sort(by_use.begin(), by_use.end());
  for (std::size_t i = 0; i + kMostPageFiles <= by_use.size(); ++i) index.forget(by_use[i].second);
}

}  // namespace

std::string page_index_path(const Config& config, const Run& run) {
  return local_directory(config, run.facts) + "/pages";
}

Result<std::unique_ptr<JobMemory>> JobMemory::open(const Run& run, const Config& config, const CheckpointStore& store,
                                                   Publication& publication, const Manifest* previous,
                                                   std::uint32_t number, int images, std::uint64_t memory) {
  PageMap map;
  std::string identity;
  if (previous != nullptr) {
    // One that cannot be read is no reason not to store everything anew.
    if (auto read = store.memory_map(*previous)) {
      map = std::move(*read);
      identity = identity_of(*previous);
    }
  }
  STASIS_LET(PageIndex index, PageIndex::open(page_index_path(config, run), identity, memory / kPageSize));
  forget_poor_files(index);
  std::unique_ptr<JobMemory> job(new JobMemory(std::move(index), std::move(map), previous, images));
  const Compression compression{config.policy_for(run.facts.partition).compression, kThreads};
  const auto create = [&publication, number] { return publication.create(page_file_name(number)); };
  job->capture_ = std::make_unique<PageCapture>(job->index_, number, create, compression);
  return job;
}

void JobMemory::learn(const std::vector<CapsuleProcess>& tree) {
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    auto pages = memory->own_pages();
    if (!pages) continue;
    const MemoryRanges ranges(std::move(*pages));
    // Anything that was there a moment ago may be gone.
    const auto read = [&](std::uint64_t first, std::uint32_t count, char* into) -> Result<void> {
      if (!read_ranges(*memory, ranges, first, count, into)) std::memset(into, 0, count * kPageSize);
      return {};
    };
    if (!capture_->learn({ranges.pages(), read})) return;
  }
}

Result<std::vector<std::string>> JobMemory::list_images(std::string_view prefix) const {
  std::vector<std::string> names;
  std::error_code error;
  const std::string path = "/proc/self/fd/" + std::to_string(images_);
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name.starts_with(prefix) && name.ends_with(".img")) names.push_back(name);
  }
  if (error) return fail(errno_error("list the images", error.value()));
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> JobMemory::read(const std::vector<CapsuleProcess>& tree,
                             const std::map<std::string, std::uint64_t>& unread) {
  if (unread.empty()) return {};
  STASIS_TRY(capture_->hold_back(images_));
  STASIS_LET(const auto names, list_images("pagemap-"));
  auto left = unread;
  for (const auto& name : names) {
    const auto pid = pagemap_of_process(name);
    if (!pid) continue;
    const auto process = std::find_if(tree.begin(), tree.end(), [&](const auto& one) { return one.inside == *pid; });
    if (process == tree.end()) return fail(ErrorKind::lost, name + " is of no process");
    STASIS_TRY(in_context(name, read_process(*process, name, left)));
  }
  if (!left.empty()) return fail(ErrorKind::lost, left.begin()->first + " belongs to no process");
  return {};
}

// What criu says has to be what it sent, to the page.
Result<void> JobMemory::read_process(const CapsuleProcess& process, const std::string& pagemap,
                                     std::map<std::string, std::uint64_t>& unread) {
  STASIS_LET(const std::string image, read_images_file(images_, pagemap));
  STASIS_LET(CriuPagemap map, parse_criu_pagemap(image));
  const MemoryRanges ranges(std::move(map.ranges));
  const auto expected = unread.find(map.image);
  if (expected == unread.end() || expected->second != ranges.pages() * kPageSize) {
    return fail(ErrorKind::lost, "has not as many pages as " + map.image);
  }
  unread.erase(expected);
  STASIS_LET(const ProcessMemory memory, ProcessMemory::open(process));
  const auto read = [&](std::uint64_t first, std::uint32_t count, char* into) {
    return read_ranges(memory, ranges, first, count, into);
  };
  return capture_->add_image(map.image, {ranges.pages(), read});
}

// Each is gone from the node's disk once its pages are stored.
Result<void> JobMemory::take_images() {
  STASIS_LET(const auto names, list_images("pages-"));
  for (const auto& name : names) {
    const UniqueFd file(::openat(images_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return fail(errno_error("open " + name, errno));
    STASIS_TRY(capture_->add_image(name, file.get()));
    if (::unlinkat(images_, name.c_str(), 0) != 0) return fail(errno_error("remove " + name, errno));
  }
  return {};
}

Result<void> JobMemory::finish(Manifest& manifest) {
  STASIS_TRY(take_images());
  STASIS_LET(const PageMap map, capture_->finish(previous_));
  const std::string text = write_page_map(map);
  const UniqueFd file(::openat(images_, kMemoryStream, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create the memory map", errno));
  STASIS_TRY(write_fully(file.get(), text));
  for (const auto& [generation, blocks] : map.files) {
    const std::string name = page_file_name(generation);
    if (generation == manifest.number) {
      manifest.streams.push_back({name, describe_page_file(blocks), name, 0, generation});
    } else if (const auto* stream = previous_manifest_ == nullptr ? nullptr : previous_manifest_->stream(name)) {
      manifest.streams.push_back(*stream);
    } else {
      return fail(ErrorKind::failed, "the checkpoint before does not have " + name);
    }
  }
  use_ = map.use();
  return {};
}

void JobMemory::remember(const Manifest& published) { (void)index_.keep(identity_of(published), use_); }

// --- at a restore

struct PageLearner::State {
  std::string path;
  std::mutex guard;
  std::optional<PageIndex> index;
};

PageLearner::PageLearner(const Config& config, const Run& run) : state_(std::make_unique<State>()) {
  state_->path = page_index_path(config, run);
  if (auto index = PageIndex::open(state_->path, "", 0)) state_->index.emplace(std::move(*index));
}

PageLearner::~PageLearner() = default;

PageObserver PageLearner::observer() {
  if (!state_->index) return {};
  return [state = state_.get()](PagePlace place, const char* page) {
    // Adding may move the index to a larger file.
    const std::lock_guard lock(state->guard);
    const PageHash hash = state->index->hash(page);
    // What is not learned is stored again.
    (void)state->index->add(hash, place);
  };
}

void PageLearner::remember(const Manifest& manifest, const CheckpointStore& store) {
  const auto map = store.memory_map(manifest);
  if (state_->index && map) (void)state_->index->keep(identity_of(manifest), map->use());
}

}  // namespace stasis
