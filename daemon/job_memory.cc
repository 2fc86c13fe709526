// SPDX-License-Identifier: Apache-2.0
#include "daemon/job_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include "common/file_index.h"
#include "common/memory_use.h"
#include "daemon/criu_memory.h"
#include "daemon/images_file.h"
#include "daemon/memory_tracking.h"

namespace stasis {
namespace {

// As many as still leave most of a node to its jobs.
constexpr int kThreads = 4;
constexpr std::size_t kLearnedAtOnce = 256;
constexpr std::size_t kFramesAtOnce = 8192;
// A program that compiles itself may have a lot of them.
constexpr std::size_t kCorrectedAtOnce = 2048;
// Each is a file to be kept and opened; and what they hold in vain is bounded, as a half of each at most is.
constexpr std::size_t kMostPageFiles = 16;
// So little is in the page cache before anybody notices.
constexpr std::uint64_t kLittle = 64 << 20;
// A disk takes milliseconds. What takes longer is not waited for: the job's memory is read while it stands still, then.
constexpr std::chrono::seconds kTransfersArrive{2};

Result<void> write_fully(int fd, const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(fd, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(errno_error("write about the memory", errno));
    at += static_cast<std::size_t>(written);
  }
  return {};
}

// lost: there are not as many bytes.
Result<void> read_fully(int fd, char* into, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::read(fd, into + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read pages", errno));
    if (got == 0) return fail(ErrorKind::lost, "has fewer pages than it says");
    done += static_cast<std::size_t>(got);
  }
  return {};
}

std::uint64_t end_of(const MemoryRange& range) { return range.address + range.pages * kPageSize; }

// Behind all that are there.
void add_page(std::vector<MemoryRange>& ranges, std::uint64_t address) {
  if (!ranges.empty() && end_of(ranges.back()) == address) {
    ++ranges.back().pages;
  } else {
    ranges.push_back({address, 1});
  }
}

// Names with a dot in front are not published.
std::string not_known_name(int pid) { return ".not-known-" + std::to_string(pid); }

Result<UniqueFd> new_file(int directory, const std::string& name) {
  UniqueFd file(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create " + name, errno));
  return file;
}

Result<UniqueFd> nameless_file(int directory) {
  const std::string name = ".nameless";
  STASIS_LET(UniqueFd file, new_file(directory, name));
  if (::unlinkat(directory, name.c_str(), 0) != 0) return fail(errno_error("remove " + name, errno));
  return file;
}

Result<UniqueFd> open_file(int directory, const std::string& name) {
  UniqueFd file(::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return fail(errno_error("open " + name, errno));
  return file;
}

Result<std::vector<std::string>> pagemap_names(int images) {
  std::vector<std::string> names;
  std::error_code error;
  const std::string path = "/proc/self/fd/" + std::to_string(images);
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    if (at->path().filename().string().starts_with("pagemap-")) names.push_back(at->path().filename());
  }
  if (error) return fail(errno_error("list the images", error.value()));
  return names;
}

std::uint64_t pages_in(const std::vector<MemoryRange>& ranges) {
  std::uint64_t pages = 0;
  for (const auto& range : ranges) pages += range.pages;
  return pages;
}

// Those pages of `range`, by their place in it and how many there are, that are in one of the others.
std::vector<std::pair<std::uint64_t, std::uint64_t>> common_part(const MemoryRange& range,
                                                                 const std::vector<MemoryRange>& others) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> parts;
  const std::uint64_t end = range.address + range.pages * kPageSize;
  for (const auto& other : others) {
    const std::uint64_t from = std::max(range.address, other.address);
    const std::uint64_t to = std::min(end, other.address + other.pages * kPageSize);
    if (from < to) parts.emplace_back((from - range.address) / kPageSize, (to - from) / kPageSize);
  }
  return parts;
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
  job->known_directory_ = local_directory(config, run.facts) + "/known";
  job->memory_ = memory;
  job->tracks_ = config.policy_for(run.facts.partition).track_memory && kernel_tracks_memory();
  const Compression compression{config.policy_for(run.facts.partition).compression, kThreads};
  const auto create = [&publication, number] { return publication.create(page_file_name(number)); };
  job->capture_ = std::make_unique<PageCapture>(job->index_, number, create, compression);
  return job;
}

// More than a quarter at the last checkpoint, or this is the first.
bool JobMemory::much_is_new() const {
  if (previous_manifest_ == nullptr) return true;
  std::uint64_t all = 0, new_pages = 0;
  for (const auto& image : previous_.images) all += image.pages();
  const auto newest = previous_.files.find(previous_manifest_->number);
  if (newest == previous_.files.end()) return false;
  for (const auto& block : newest->second) new_pages += block.pages;
  return new_pages > all / 4;
}

void JobMemory::prepare(const std::vector<CapsuleProcess>& tree, bool go_on) {
  tracks_ = tracks_ && may_track(tree);
  auto known = known_before();
  if (tracks_ && known && little_is_written(tree, *known)) {
    known_ = std::move(*known);
    return;
  }
  // One that ends stands still until it is stored, so that nothing would be won.
  if (!go_on) {
    tracks_ = false;
    return;
  }
  if (!tracks_) return learn(tree);
  known = know(tree);
  if (known && little_is_written(tree, *known)) known_ = std::move(*known);
}

void JobMemory::learn(const std::vector<CapsuleProcess>& tree) {
  if (!much_is_new()) return;
  std::vector<char> buffer(kLearnedAtOnce * kPageSize);
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    const auto ranges = memory->own_pages();
    if (!ranges) continue;
    for (MemoryRange range : *ranges) {
      while (range.pages > 0) {
        const auto count = std::min<std::uint64_t>(range.pages, kLearnedAtOnce);
        // What was there a moment ago may be gone.
        if (!memory->read(range.address, count * kPageSize, buffer.data())) break;
        if (!capture_->learn(buffer.data(), count, [](PagePlace) {})) return;
        range.address += count * kPageSize;
        range.pages -= count;
      }
    }
  }
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
  if (previous_manifest_ == nullptr) return fail(ErrorKind::not_found, "nothing is known of the memory");
  STASIS_LET(KnownMemory known, take_known_memory(known_directory_, *previous_manifest_, previous_));
  for (const auto& [pid, process] : known.processes) {
    if (!process.is_within(index_.files())) return fail(ErrorKind::not_found, "some of the memory is stored again");
  }
  return known;
}

// Reads all that the tree has in memory. What is written to meanwhile will be found written to.
Result<KnownMemory> JobMemory::know(const std::vector<CapsuleProcess>& tree) {
  KnownMemory known;
  known.uptime = uptime_now();
  std::vector<std::pair<int, ProcessMemory>> memories;
  for (const auto& process : tree) {
    auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    STASIS_TRY(begin_tracking(*memory));
    STASIS_TRY(mark_tracked(*memory));
    memories.emplace_back(process.inside, std::move(*memory));
  }
  STASIS_TRY(wait_for_transfers(tree, Deadline::in(kTransfersArrive)));
  for (const auto& [pid, memory] : memories) {
    if (auto process = know(memory)) known.processes.emplace(pid, std::move(*process));
  }
  return known;
}

Result<KnownProcess> JobMemory::know(const ProcessMemory& memory) {
  STASIS_LET(const auto ranges, tracked_pages(memory, Pages::all));
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(UniqueFd file, nameless_file(images_));
  const int frames_file = file.get();
  KnownProcess known(std::move(file));
  std::vector<char> buffer(kLearnedAtOnce * kPageSize);
  for (MemoryRange range : ranges) {
    while (range.pages > 0) {
      auto count = std::min<std::uint64_t>(range.pages, kLearnedAtOnce);
      std::array<Frame, kLearnedAtOnce> before, frames;
      STASIS_TRY(read_frames(pagemap.get(), range.address, count, before.data()));
      bool read = static_cast<bool>(memory.read(range.address, count * kPageSize, buffer.data()));
      // Some of it may be gone since: page by page, then.
      if (!read && count > 1) {
        count = 1;
        read = static_cast<bool>(memory.read(range.address, kPageSize, buffer.data()));
      }
      if (read) {
        STASIS_TRY(read_frames(pagemap.get(), range.address, count, frames.data()));
        for (std::size_t i = 0; i < count; ++i) frames[i] = frames[i] == before[i] ? frames[i] : 0;
        STASIS_TRY(write_frames(frames_file, frames.data(), count));
        std::uint64_t address = range.address;
        STASIS_TRY(capture_->learn(buffer.data(), count, [&](PagePlace place) {
          known.add(address, {place.generation, place.page, 1});
          address += kPageSize;
        }));
      }
      range = {range.address + count * kPageSize, range.pages - count};
    }
  }
  return known;
}

// So that a file on the node's disk, in the page cache rather, is the shorter way than reading all of the memory.
bool JobMemory::little_is_written(const std::vector<CapsuleProcess>& tree, const KnownMemory& known) const {
  std::uint64_t all = 0, written = 0;
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (!memory) continue;
    const bool is_known = known.processes.count(process.inside) != 0;
    const auto has = tracked_pages(*memory, Pages::all);
    const auto new_ones = is_known ? tracked_pages(*memory, Pages::written) : has;
    if (!has || !new_ones) return false;
    all += pages_in(*has);
    written += pages_in(*new_ones);
  }
  // What processes share is dumped anew each time.
  const std::uint64_t shared = memory_ - std::min(memory_, all * kPageSize);
  const std::uint64_t bytes = written * kPageSize + shared;
  return bytes <= std::max(kLittle, std::min((all * kPageSize + shared) / 4, available_memory() / 8));
}

Result<void> JobMemory::add_to(DumpOptions& options) const {
  options.track_memory = tracks_;
  if (!known_) return {};
  options.known = kKnownForCriu;
  return write_known_for_criu(images_, *known_);
}

bool JobMemory::stop_tracking() {
  if (!tracks_ && !known_) return false;
  tracks_ = false;
  known_.reset();
  remove_known_for_criu(images_);
  return true;
}

Result<void> JobMemory::add_pages(const std::string& image, const char* pages, std::size_t count) {
  if (!held_back_) STASIS_TRY(capture_->hold_back(images_));
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
  if (!known_) STASIS_TRY(correct(map, memory));
  if (!known_ && !tracks_) return {};
  return compare_frames(process.inside, map, memory);
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

// What criu has left out is not known if it is in another frame than it was. Notes the frames for the next time.
Result<void> JobMemory::compare_frames(int pid, const CriuPagemap& map, const ProcessMemory& memory) {
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(const UniqueFd noted, new_file(images_, frames_name(pid)));
  const KnownProcess* known = nullptr;
  if (known_ && known_->processes.count(pid) != 0) known = &known_->processes.at(pid);
  auto& not_known = not_known_[pid];
  std::vector<Frame> now(kFramesAtOnce);
  for (const auto& range : map.ranges) {
    if (range.known && known == nullptr) return fail(ErrorKind::lost, "leaves out what is not known");
    for (MemoryRange left = range; left.pages > 0;) {
      const auto count = std::min<std::uint64_t>(left.pages, now.size());
      STASIS_TRY(read_frames(pagemap.get(), left.address, count, now.data()));
      STASIS_TRY(write_frames(noted.get(), now.data(), count));
      if (range.known) {
        STASIS_TRY(known->find({left.address, count}, [&](const KnownProcess::Found& found) -> Result<void> {
          std::vector<Frame> then(found.pages);
          if (found.known) {
            STASIS_LET(then, known->frames(found.index, found.pages));
          }
          const Frame* const here = &now[(found.address - left.address) / kPageSize];
          for (std::uint32_t i = 0; i < found.pages; ++i) {
            if (here[i] == 0 || here[i] != then[i]) add_page(not_known, found.address + i * kPageSize);
          }
          return {};
        }));
      }
      left = {left.address + count * kPageSize, left.pages - count};
    }
  }
  return put_aside(not_known, memory, not_known_name(pid));
}

// The contents of those pages, one behind the other.
Result<void> JobMemory::put_aside(const std::vector<MemoryRange>& ranges, const ProcessMemory& memory,
                                  const std::string& name) {
  STASIS_LET(const UniqueFd file, new_file(images_, name));
  std::string buffer;
  for (MemoryRange left : ranges) {
    while (left.pages > 0) {
      const auto count = std::min<std::uint64_t>(left.pages, kLearnedAtOnce);
      buffer.resize(count * kPageSize);
      STASIS_TRY(memory.read(left.address, buffer.size(), buffer.data()));
      STASIS_TRY(write_fully(file.get(), buffer));
      left = {left.address + count * kPageSize, left.pages - count};
    }
  }
  return {};
}

// Criu has written pages into files, and left out those that are known.
Result<void> JobMemory::collect_files() {
  STASIS_LET(const auto names, pagemap_names(images_));
  for (const auto& name : names) STASIS_TRY(in_context(name, collect(name)));
  remove_known_for_criu(images_);
  return {};
}

Result<void> JobMemory::collect(const std::string& pagemap) {
  STASIS_LET(const std::string text, read_images_file(images_, pagemap));
  STASIS_LET(const CriuPagemap map, parse_criu_pagemap(text));
  STASIS_LET(const UniqueFd written, open_file(images_, map.image));
  UniqueFd aside;
  const KnownProcess* known = nullptr;
  std::vector<MemoryRange> not_known;
  if (const auto pid = pagemap_of_process(pagemap); pid && known_->processes.count(*pid) != 0) {
    known = &known_->processes.at(*pid);
    not_known = not_known_[*pid];
    STASIS_LET(aside, open_file(images_, not_known_name(*pid)));
  }
  // It is an image, with whatever in it.
  STASIS_TRY(capture_->add_pages(map.image, nullptr, 0));
  auto next = not_known.begin();
  for (const auto& range : map.ranges) {
    if (!range.known) {
      STASIS_TRY(add_from(written.get(), map.image, range.pages));
      continue;
    }
    if (known == nullptr) return fail(ErrorKind::lost, "leaves out what is not known");
    for (MemoryRange left = range; left.pages > 0;) {
      while (next != not_known.end() && end_of(*next) <= left.address) ++next;
      const bool is_aside = next != not_known.end() && next->address <= left.address;
      const std::uint64_t until = next == not_known.end() ? end_of(left) : is_aside ? end_of(*next) : next->address;
      const auto count = std::min(left.pages, (until - left.address) / kPageSize);
      if (is_aside) {
        STASIS_TRY(add_from(aside.get(), map.image, count));
      } else {
        STASIS_TRY(known->find({left.address, count}, [&](const KnownProcess::Found& found) {
          capture_->add_known(map.image, found.run);
          return Result<void>();
        }));
        known_pages_ += count;
      }
      left = {left.address + count * kPageSize, left.pages - count};
    }
  }
  char more = 0;
  if (::read(written.get(), &more, 1) != 0) return fail(ErrorKind::lost, map.image + " has more pages than that");
  STASIS_LET(const std::string complete, complete_criu_pagemap(text));
  STASIS_TRY(write_images_file(images_, pagemap, complete));
  if (::unlinkat(images_, map.image.c_str(), 0) != 0) return fail(errno_error("remove " + map.image, errno));
  return {};
}

// The next pages of the image, from a file that has them at its place.
Result<void> JobMemory::add_from(int file, const std::string& image, std::uint64_t pages) {
  std::vector<char> buffer(kLearnedAtOnce * kPageSize);
  while (pages > 0) {
    const auto count = std::min<std::uint64_t>(pages, kLearnedAtOnce);
    STASIS_TRY(read_fully(file, buffer.data(), count * kPageSize));
    STASIS_TRY(capture_->add_pages(image, buffer.data(), count));
    pages -= count;
  }
  return {};
}

Result<void> JobMemory::finish(Manifest& manifest) {
  if (known_) STASIS_TRY(collect_files());
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
