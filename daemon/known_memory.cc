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
#include "common/unique_fd.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

// Which generation it is of, and when that was made.
constexpr char kGeneration[] = "generation";
// In the images of a dump that has one before it, criu's name for that.
constexpr char kParent[] = "parent";
constexpr std::uint32_t kNoPages = 1;

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

// The pages of a process, each with its address.
Result<KnownProcess> process_of(const CriuPagemap& pagemap, const PageMap& map) {
  const auto image = std::find_if(map.images.begin(), map.images.end(),
                                  [&](const PageImage& one) { return one.name == pagemap.image; });
  if (image == map.images.end()) return fail(ErrorKind::corrupt, "a pagemap of no image");
  KnownProcess process;
  auto run = image->runs.begin();
  std::uint32_t used = 0;  // of the run
  for (MemoryRange range : pagemap.ranges) {
    while (range.pages > 0) {
      if (run == image->runs.end()) return fail(ErrorKind::corrupt, "a pagemap of more pages than there are");
      const auto now = static_cast<std::uint32_t>(std::min<std::uint64_t>(range.pages, run->count - used));
      process.add(range.address, {run->generation, run->generation == 0 ? 0 : run->first + used, now});
      range = {range.address + now * kPageSize, range.pages - now};
      used += now;
      if (used < run->count) continue;
      used = 0;
      ++run;
    }
  }
  return process;
}

}  // namespace

void KnownProcess::add(std::uint64_t address, const PageRun& run) {
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
  pieces_.push_back({address, run});
}

Result<void> KnownProcess::find(const MemoryRange& range, const std::function<void(const PageRun&)>& take) const {
  auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), range.address,
                                [](std::uint64_t address, const Piece& one) { return address < one.address; });
  if (piece != pieces_.begin()) --piece;
  for (MemoryRange left = range; left.pages > 0; ++piece) {
    const std::uint64_t skipped = piece == pieces_.end() ? 0 : (left.address - piece->address) / kPageSize;
    if (piece == pieces_.end() || piece->address > left.address || skipped >= piece->run.count) {
      return fail(ErrorKind::not_found, "pages that were not written to are not known");
    }
    const auto from = static_cast<std::uint32_t>(skipped);
    const auto now = static_cast<std::uint32_t>(std::min<std::uint64_t>(left.pages, piece->run.count - from));
    take({piece->run.generation, piece->run.generation == 0 ? 0 : piece->run.first + from, now});
    left = {left.address + now * kPageSize, left.pages - now};
  }
  return {};
}

std::vector<MemoryRange> KnownProcess::ranges() const {
  std::vector<MemoryRange> ranges;
  for (const auto& [address, run] : pieces_) {
    if (!ranges.empty() && ranges.back().address + ranges.back().pages * kPageSize == address) {
      ranges.back().pages += run.count;
    } else {
      ranges.push_back({address, run.count});
    }
  }
  return ranges;
}

std::uint64_t KnownProcess::pages() const {
  std::uint64_t pages = 0;
  for (const auto& piece : pieces_) pages += piece.run.count;
  return pages;
}

bool KnownProcess::is_within(const std::map<std::uint32_t, PageFileUse>& files) const {
  return std::all_of(pieces_.begin(), pieces_.end(), [&](const Piece& piece) {
    return piece.run.generation == 0 || files.count(piece.run.generation) != 0;
  });
}

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
    if (!pagemap_of_process(name)) continue;
    if (::renameat(images, name.c_str(), to.get(), name.c_str()) != 0) return fail(errno_error("keep " + name, errno));
  }
  // Last: without it, it is nothing.
  return write_images_file(to.get(), kGeneration, std::to_string(uptime.count()) + " " + identity_of(manifest));
}

Result<KnownMemory> take_known_memory(const std::string& directory, const Manifest& manifest, const PageMap& map) {
  const auto from = open_directory(AT_FDCWD, directory);
  if (!from) return fail(ErrorKind::not_found, "nothing is known of the memory");
  const auto generation = read_images_file(from->get(), kGeneration);
  (void)::unlinkat(from->get(), kGeneration, 0);
  if (!generation) return fail(ErrorKind::not_found, "nothing is known of the memory");
  KnownMemory known;
  std::int64_t uptime = 0;
  const char* const end = generation->data() + generation->size();
  const auto number = std::from_chars(generation->data(), end, uptime);
  if (number.ec != std::errc() ||
      std::string_view(number.ptr, static_cast<std::size_t>(end - number.ptr)) != " " + identity_of(manifest)) {
    return fail(ErrorKind::not_found, "what is known of the memory is of another checkpoint");
  }
  known.uptime = std::chrono::microseconds(uptime);
  STASIS_LET(const auto names, names_in(from->get()));
  for (const auto& name : names) {
    const auto pid = pagemap_of_process(name);
    if (!pid) continue;
    STASIS_LET(const std::string text, read_images_file(from->get(), name));
    STASIS_LET(const CriuPagemap pagemap, parse_criu_pagemap(text));
    STASIS_LET(known.processes[*pid], process_of(pagemap, map));
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
    STASIS_TRY(write_images_file(to.get(), pagemap_name(pid), write_criu_pagemap(kNoPages, process.ranges())));
  }
  return {};
}

void remove_known_for_criu(int images) {
  std::error_code ignored;
  (void)::unlinkat(images, kParent, 0);
  std::filesystem::remove_all("/proc/self/fd/" + std::to_string(images) + "/" + kKnownForCriu, ignored);
}

}  // namespace stasis
