// SPDX-License-Identifier: Apache-2.0
#include "daemon/job_memory.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "common/file_index.h"
#include "common/full_io.h"
#include "common/memory_use.h"
#include "daemon/criu_memory.h"
#include "daemon/images_file.h"
#include "daemon/memory_tracking.h"
#include "daemon/running_memory.h"

namespace stasis {
namespace {

// As many as still leave most of a node to its jobs.
constexpr int kThreads = 4;
// A program that compiles itself may have a lot of them.
constexpr std::size_t kCorrectedAtOnce = 2048;
// Each is a file to be kept and opened; and what they hold in vain is bounded, as a half of each at most is.
constexpr std::size_t kMostPageFiles = 16;
// So little is in the page cache before anybody notices.
constexpr std::uint64_t kLittle = 64 << 20;

// Those pages of `range`, by their place in it and how many there are, that are in one of the others.
std::vector<std::pair<std::uint64_t, std::uint64_t>> common_part(const MemoryRange& range, const MemoryRanges& others) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
  const std::uint64_t end = range.address + range.pages * kPageSize;
  for (const auto& other : others) {
    const std::uint64_t from = std::max(range.address, other.address);
    const std::uint64_t to = std::min(end, other.address + other.pages * kPageSize);
    if (from < to) parts.emplace_back((from - range.address) / kPageSize, (to - from) / kPageSize);
  }
  return parts;
}

// Keys are given up one day, long after they were replaced. So what is to be used still is sealed anew.
void forget_files_of_older_keys(PageIndex& index, const PageMap& map, const Keys& keys) {
  for (const auto& [generation, file] : map.files) {
    if (file.seal.key_id != keys.newest()) index.forget(generation);
  }
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
  forget_files_of_older_keys(index, map, store.keys());
  forget_poor_files(index);
  STASIS_LET(PageSealer sealer, PageSealer::make(store.keys()));
  std::unique_ptr<JobMemory> job(new JobMemory(std::move(index), std::move(map), previous, images));
  job->known_directory_ = local_directory(config, run.facts) + "/known";
  job->memory_ = memory;
  job->tracks_ = config.policy_for(run.facts.partition).track_memory && kernel_tracks_memory();
  const Compression compression{config.policy_for(run.facts.partition).compression, kThreads};
  const auto create = [&publication, number] { return publication.create(page_file_name(number)); };
  job->capture_ = std::make_unique<PageCapture>(job->index_, number, create, compression, std::move(sealer));
  return job;
}

// More than a quarter at the last checkpoint, or this is the first.
bool JobMemory::much_is_new() const {
  if (previous_manifest_ == nullptr) return true;
  std::uint64_t all = 0;
  for (const auto& image : previous_.images) all += image.pages();
  const auto newest = previous_.files.find(previous_manifest_->number);
  if (newest == previous_.files.end()) return false;
  return newest->second.pages() > all / 4;
}

void JobMemory::prepare(const std::vector<CapsuleProcess>& tree, bool go_on) {
  tracks_ = tracks_ && may_track(tree);
  auto known = known_before();
  if (tracks_ && known && little_is_written(tree, *known)) return left_out_.know(std::move(*known));
  // One that ends stands still until it is stored, so that nothing would be won.
  if (!go_on) {
    tracks_ = false;
    return;
  }
  if (!tracks_) {
    if (much_is_new()) learn_memory(tree, *capture_);
    return;
  }
  known = know_memory(tree, *capture_, images_);
  if (known && little_is_written(tree, *known)) left_out_.know(std::move(*known));
}

// Of one process that cannot be tracked criu's dump would be refused; and of one that tracks itself it must not be.
bool JobMemory::may_track(const std::vector<CapsuleProcess>& tree) const {
  return std::all_of(tree.begin(), tree.end(), [](const CapsuleProcess& process) {
    const auto memory = ProcessMemory::open(process);
    return memory && is_ours_to_track(*memory);
  });
}

// What the checkpoint before this one has left, which is gone then. A page file that is not to be referred to any more
// has to be read again.
Result<KnownMemory> JobMemory::known_before() const {
  STASIS_LET(KnownMemory known, take_known_memory(known_directory_, previous_manifest_, previous_));
  for (const auto& [pid, process] : known.processes) {
    if (!process.is_within(index_.files())) return fail(ErrorKind::not_found, "some of the memory is stored again");
  }
  return known;
}

// So that files on the node's disk, in the page cache rather, are the shorter way than reading all of the memory.
bool JobMemory::little_is_written(const std::vector<CapsuleProcess>& tree, const KnownMemory& known) const {
  const auto sum = written_since(tree, known);
  if (!sum) return false;
  // What processes share is dumped anew each time.
  const std::uint64_t shared = memory_ - std::min(memory_, sum->all);
  return sum->written + shared <= std::max(kLittle, std::min((sum->all + shared) / 4, available_memory() / 8));
}

Result<void> JobMemory::add_to(DumpOptions& options) const {
  options.track_memory = tracks_;
  if (left_out_.nothing()) return {};
  options.known = kKnownForCriu;
  return write_known_for_criu(images_, left_out_.known());
}

bool JobMemory::stop_tracking() {
  if (!tracks_ && left_out_.nothing()) return false;
  tracks_ = false;
  left_out_.forget();
  remove_known_for_criu(images_);
  return true;
}

Result<void> JobMemory::add_pages(const std::string& image, const char* pages, std::size_t count) {
  if (!held_back_) {
    STASIS_LET(UniqueFd file, nameless_images_file(images_));
    capture_->hold_back(std::move(file));
  }
  held_back_ = true;
  return capture_->add_pages(image, pages, count);
}

Result<void> JobMemory::note_frozen(const std::vector<CapsuleProcess>& tree) {
  frozen_at_ = uptime_now();
  STASIS_LET(const auto names, pagemap_names(images_));
  for (const auto& name : names) {
    const auto pid = pagemap_of_process(name);
    if (!pid) continue;
    const auto process = std::find_if(tree.begin(), tree.end(), [&](const auto& one) { return one.inside == *pid; });
    if (process == tree.end()) return fail(ErrorKind::lost, name + " is of no process");
    STASIS_TRY(in_context(name, note_frozen(*process, name)));
  }
  if (!tracks_) return {};
  for (const auto& process : tree) {
    // Without it nothing is known the next time, and that will show then.
    if (const auto memory = ProcessMemory::open(process)) (void)mark_tracked(*memory);
  }
  return {};
}

Result<void> JobMemory::note_frozen(const CapsuleProcess& process, const std::string& pagemap) {
  STASIS_LET(const std::string text, read_images_file(images_, pagemap));
  STASIS_LET(const CriuPagemap map, parse_criu_pagemap(text));
  STASIS_LET(const ProcessMemory memory, ProcessMemory::open(process));
  if (left_out_.nothing()) STASIS_TRY(correct(map, memory));
  if (left_out_.nothing() && !tracks_) return {};
  return left_out_.note_frozen(process.inside, map, memory);
}

// Criu may have sent some executable pages while it was writing to them. Where it writes files, it has copied them
// before.
Result<void> JobMemory::correct(const CriuPagemap& map, const ProcessMemory& memory) {
  STASIS_LET(const auto executable, memory.executable());
  std::map<std::uint64_t, std::string> pages;
  std::uint64_t at = 0;  // in the image
  for (const auto& range : map.ranges) {
    if (range.known) return fail(ErrorKind::lost, "has pages that are nowhere");
    for (const auto& [first, count] : common_part(range, executable)) {
      for (std::uint64_t i = 0; i < count; ++i) {
        std::string& page = pages[at + first + i];
        page.resize(kPageSize);
        STASIS_TRY(memory.read(range.address + (first + i) * kPageSize, page.size(), page.data()));
        if (pages.size() < kCorrectedAtOnce) continue;
        STASIS_TRY(capture_->correct(map.image, pages));
        pages.clear();
      }
    }
    at += range.pages;
  }
  if (capture_->pages_of(map.image) != at) return fail(ErrorKind::lost, "has not as many pages as " + map.image);
  return capture_->correct(map.image, pages);
}

Result<void> JobMemory::finish(Manifest& manifest) {
  if (!left_out_.nothing()) STASIS_TRY(left_out_.collect(*capture_));
  STASIS_LET(const PageMap map, capture_->finish(previous_));
  const ScratchString text = write_page_map(map);
  STASIS_LET(const UniqueFd file, new_images_file(images_, kMemoryStream));
  STASIS_TRY(write_fully(file.get(), text.data(), text.size(), "write the memory map"));
  for (const auto& [generation, pages] : map.files) {
    const std::string name = page_file_name(generation);
    if (generation == manifest.number) {
      manifest.streams.push_back({name, describe_page_file(pages), name, 0, generation});
    } else if (const auto* stream = previous_manifest_ == nullptr ? nullptr : previous_manifest_->stream(name)) {
      manifest.streams.push_back(*stream);
    } else {
      return fail(ErrorKind::failed, "the checkpoint before does not have " + name);
    }
  }
  use_ = map.use();
  return {};
}

void JobMemory::remember(const Manifest& published) {
  (void)index_.keep(identity_of(published), use_);
  if (tracks_) (void)keep_known_memory(known_directory_, images_, frozen_at_, published);
}

// --- at a restore

struct PageLearner::State {
  std::string path;
  std::mutex guard;
  std::optional<PageIndex> index;
};

PageLearner::PageLearner(const Config& config, const Run& run, const Manifest& manifest)
    : state_(std::make_unique<State>()) {
  state_->path = page_index_path(config, run);
  std::uint64_t pages = 0;
  for (const auto& stream : manifest.streams) {
    if (stream.data.encoding == Encoding::blocks) pages += stream.data.size / kPageSize;
  }
  if (auto index = PageIndex::open(state_->path, "", pages)) state_->index.emplace(std::move(*index));
}

PageLearner::~PageLearner() = default;

PageObserver PageLearner::observer() {
  if (!state_->index) return {};
  return
      [state = state_.get(), hasher = state_->index->hasher()](PagePlace first, const char* pages, std::size_t count) {
        std::vector<PageHash> hashes(count);
        for (std::size_t i = 0; i < count; ++i) hashes[i] = hasher(pages + i * kPageSize);
        const std::lock_guard lock(state->guard);
        for (const auto& hash : hashes) state->index->prefetch(hash);
        for (std::uint32_t i = 0; i < count; ++i) {
          // What is not learned is stored again.
          (void)state->index->add(hashes[i], {first.generation, first.page + i});
        }
      };
}

void PageLearner::remember(const Manifest& manifest, const CheckpointStore& store) {
  const auto map = store.memory_map(manifest);
  if (state_->index && map) (void)state_->index->keep(identity_of(manifest), map->use());
}

}  // namespace stasis
