// SPDX-License-Identifier: Apache-2.0
#include "daemon/known_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <filesystem>
#include <limits>
#include <utility>

#include "common/file_index.h"
#include "common/full_io.h"
#include "common/unique_fd.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

// Which generation it is of, and when that was made.
constexpr char kGeneration[] = "generation";
// In the images of a dump that has one before it, criu's name for that.
constexpr char kParent[] = "parent";
constexpr std::uint32_t kNoPages = 1;
// User space, with four levels of page tables.
constexpr MemoryRange kAllThereCanBe{kPageSize, (1ULL << 47) / kPageSize - 1};

std::string pagemap_name(int pid) { return "pagemap-" + std::to_string(pid) + ".img"; }

Result<UniqueFd> open_directory(int at, const std::string& path) {
  UniqueFd directory(::openat(at, path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return fail(errno_error("open " + path, errno));
  return directory;
}

Result<std::vector<std::string>> names_in(int directory) {
  std::vector<std::string> names;
  std::error_code error;
  const std::string path = "/proc/self/fd/" + std::to_string(directory);
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename());
  }
  if (error) return fail(errno_error("list " + path, error.value()));
  return names;
}

// Where the pages of a process are.
Result<void> add_pages(KnownProcess& process, const CriuPagemap& pagemap, const PageMap& map) {
  const auto image = std::find_if(map.images.begin(), map.images.end(),
                                  [&](const PageImage& one) { return one.name == pagemap.image; });
  if (image == map.images.end()) return fail(ErrorKind::corrupt, "a pagemap of no image");
  auto run = image->runs.begin();
  std::uint32_t used = 0;  // of the run
  for (MemoryRange range : pagemap.ranges) {
    while (range.pages > 0) {
      if (run == image->runs.end()) return fail(ErrorKind::corrupt, "a pagemap of more pages than there are");
      const MemoryRange next = take_front(range, run->count - used);
      const auto now = static_cast<std::uint32_t>(next.pages);
      process.add(next.address, {run->generation, run->generation == 0 ? 0 : run->first + used, now});
      used += now;
      if (used < run->count) continue;
      used = 0;
      ++run;
    }
  }
  return {};
}

}  // namespace

void KnownProcess::add(std::uint64_t address, const PageRun& run) {
  const std::uint64_t index = std::exchange(pages_, pages_ + run.count);
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    const bool follows = last.address + last.run.count * kPageSize == address;
    const bool continues = last.run.generation == run.generation &&
                           (run.generation == 0 || last.run.first + last.run.count == run.first) &&
                           last.run.count <= std::numeric_limits<std::uint32_t>::max() - run.count;
    if (follows && continues) {
      last.run.count += run.count;
      return;
    }
  }
  pieces_.push_back({address, run, index});
}

Result<void> KnownProcess::find(const MemoryRange& range, const std::function<Result<void>(const Found&)>& take) const {
  auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), range.address,
                                [](std::uint64_t address, const Piece& one) { return address < one.address; });
  if (piece != pieces_.begin()) --piece;
  for (MemoryRange left = range; left.pages > 0;) {
    while (piece != pieces_.end() && piece->address + piece->run.count * kPageSize <= left.address) ++piece;
    Found found{left.address, 0, piece != pieces_.end() && piece->address <= left.address, {}, 0};
    if (found.known) {
      const auto skipped = static_cast<std::uint32_t>((left.address - piece->address) / kPageSize);
      found.pages = static_cast<std::uint32_t>(std::min<std::uint64_t>(left.pages, piece->run.count - skipped));
      found.run = {piece->run.generation, piece->run.generation == 0 ? 0 : piece->run.first + skipped, found.pages};
      found.index = piece->index + skipped;
    } else {
      const std::uint64_t until = piece == pieces_.end() ? left.pages : (piece->address - left.address) / kPageSize;
      found.pages = static_cast<std::uint32_t>(std::min<std::uint64_t>({left.pages, until, kBlockPages}));
    }
    STASIS_TRY(take(found));
    (void)take_front(left, found.pages);
  }
  return {};
}

Result<std::vector<Frame>> KnownProcess::frames(std::uint64_t index, std::size_t count) const {
  std::vector<Frame> frames(count);
  STASIS_TRY(read_fully_at(frames_.get(), index * sizeof(Frame), frames.data(), count * sizeof(Frame),
                           "read the frames of pages"));
  return frames;
}

Result<void> write_frames(int file, const Frame* frames, std::size_t count) {
  return write_fully(file, frames, count * sizeof *frames, "write down the frames of pages");
}

bool KnownProcess::is_within(const std::map<std::uint32_t, PageFileUse>& files) const {
  return std::all_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    return piece.run.generation == 0 || files.count(piece.run.generation) != 0;
  });
}

std::string frames_name(int pid) { return ".frames-" + std::to_string(pid); }

std::chrono::microseconds uptime_now() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::microseconds(now.tv_nsec / 1000);
}

Result<void> keep_known_memory(const std::string& directory, int images, std::chrono::microseconds uptime,
                               const Manifest& manifest) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  if (::mkdir(directory.c_str(), 0700) != 0) return fail(errno_error("mkdir " + directory, errno));
  STASIS_LET(const UniqueFd to, open_directory(AT_FDCWD, directory));
  STASIS_LET(const auto names, names_in(images));
  for (const auto& name : names) {
    const auto pid = pagemap_of_process(name);
    if (!pid) continue;
    for (const auto& file : {name, frames_name(*pid)}) {
      if (::renameat(images, file.c_str(), to.get(), file.c_str()) != 0)
        return fail(errno_error("keep " + file, errno));
    }
  }
  // Last: without it, it is nothing.
  return write_images_file(to.get(), kGeneration, std::to_string(uptime.count()) + " " + identity_of(manifest));
}

Result<KnownMemory> take_known_memory(const std::string& directory, const Manifest* manifest, const PageMap& map) {
  const auto from = open_directory(AT_FDCWD, directory);
  if (!from) return fail(ErrorKind::not_found, "nothing is known of the memory");
  const auto generation = read_images_file(from->get(), kGeneration);
  (void)::unlinkat(from->get(), kGeneration, 0);
  if (!generation) return fail(ErrorKind::not_found, "nothing is known of the memory");
  KnownMemory known;
  std::int64_t uptime = 0;
  const char* const end = generation->data() + generation->size();
  const auto number = std::from_chars(generation->data(), end, uptime);
  if (manifest == nullptr || number.ec != std::errc() ||
      std::string_view(number.ptr, static_cast<std::size_t>(end - number.ptr)) != " " + identity_of(*manifest)) {
    return fail(ErrorKind::not_found, "what is known of the memory is of another checkpoint");
  }
  known.uptime = std::chrono::microseconds(uptime);
  STASIS_LET(const auto names, names_in(from->get()));
  for (const auto& name : names) {
    const auto pid = pagemap_of_process(name);
    if (!pid) continue;
    STASIS_LET(const std::string text, read_images_file(from->get(), name));
    STASIS_LET(const CriuPagemap pagemap, parse_criu_pagemap(text));
    UniqueFd frames(::openat(from->get(), frames_name(*pid).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!frames) return fail(errno_error("open the frames of pages", errno));
    KnownProcess& process = known.processes.try_emplace(*pid, std::move(frames)).first->second;
    STASIS_TRY(add_pages(process, pagemap, map));
  }
  return known;
}

Result<void> write_known_for_criu(int images, const KnownMemory& known) {
  if (::mkdirat(images, kKnownForCriu, 0700) != 0) return fail(errno_error("mkdir what is known", errno));
  STASIS_LET(const UniqueFd to, open_directory(images, kKnownForCriu));
  STASIS_TRY(write_images_file(to.get(), "inventory.img", write_criu_inventory(known.uptime)));
  // Criu opens it, and has no reason to read it.
  STASIS_TRY(write_images_file(to.get(), "pages-" + std::to_string(kNoPages) + ".img", ""));
  for (const auto& [pid, process] : known.processes) {
    STASIS_TRY(write_images_file(to.get(), pagemap_name(pid), write_criu_pagemap(kNoPages, {kAllThereCanBe})));
  }
  return {};
}

void remove_known_for_criu(int images) {
  std::error_code ignored;
  (void)::unlinkat(images, kParent, 0);
  std::filesystem::remove_all("/proc/self/fd/" + std::to_string(images) + "/" + kKnownForCriu, ignored);
}

}  // namespace stasis
