// SPDX-License-Identifier: Apache-2.0
#include "daemon/left_out.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/full_io.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

constexpr std::size_t kPagesAtOnce = 256;
constexpr std::size_t kFramesAtOnce = 8192;

// Names with a dot in front are not published.
std::string aside_name(int pid) { return ".aside-" + std::to_string(pid); }

// The next pages of the image, from a file that has them where it stands.
Result<void> add_from(int file, const std::string& image, std::uint64_t pages, PageCapture& capture) {
  std::vector<char> buffer(kPagesAtOnce * kPageSize);
  while (pages > 0) {
    const auto count = std::min<std::uint64_t>(pages, kPagesAtOnce);
    STASIS_TRY(read_fully(file, buffer.data(), count * kPageSize, "read pages of the memory"));
    STASIS_TRY(capture.add_pages(image, buffer.data(), count));
    pages -= count;
  }
  return {};
}

}  // namespace

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

const KnownProcess* LeftOut::known_process(int pid) const {
  const auto found = known_.processes.find(pid);
  return found == known_.processes.end() ? nullptr : &found->second;
}

Result<void> LeftOut::note_frozen(int pid, const CriuPagemap& map, const ProcessMemory& memory) {
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(const UniqueFd noted, new_images_file(images_, frames_name(pid)));
  const KnownProcess* const known = known_process(pid);
  auto& not_known = not_known_[pid];
  std::vector<Frame> now(kFramesAtOnce);
  for (const auto& range : map.ranges) {
    if (range.known && known == nullptr) return fail(ErrorKind::lost, "leaves out what is not known");
    for (MemoryRange left = range; left.pages > 0;) {
      const MemoryRange next = take_front(left, now.size());
      STASIS_TRY(read_frames(pagemap.get(), next.address, next.pages, now.data()));
      STASIS_TRY(write_frames(noted.get(), now.data(), next.pages));
      if (range.known) STASIS_TRY(compare(*known, next, now.data(), not_known));
    }
  }
  return put_aside(pid, memory);
}

Result<void> LeftOut::compare(const KnownProcess& known, const MemoryRange& range, const Frame* now,
                              MemoryRanges& not_known) const {
  return known.find(range, [&](const KnownProcess::Found& found) -> Result<void> {
    std::vector<Frame> then(found.pages);
    if (found.known) {
      STASIS_LET(then, known.frames(found.index, found.pages));
    }
    for (std::uint32_t i = 0; i < found.pages; ++i, ++now) {
      if (*now == 0 || *now != then[i]) append(not_known, {found.address + i * kPageSize, 1});
    }
    return {};
  });
}

Result<void> LeftOut::put_aside(int pid, const ProcessMemory& memory) const {
  if (known_process(pid) == nullptr) return {};
  STASIS_LET(const UniqueFd file, new_images_file(images_, aside_name(pid)));
  std::vector<char> buffer(kPagesAtOnce * kPageSize);
  for (MemoryRange left : not_known_.at(pid)) {
    while (left.pages > 0) {
      const MemoryRange next = take_front(left, kPagesAtOnce);
      STASIS_TRY(memory.read(next.address, next.pages * kPageSize, buffer.data()));
      STASIS_TRY(write_fully(file.get(), buffer.data(), next.pages * kPageSize, "put pages aside"));
    }
  }
  return {};
}

Result<void> LeftOut::collect(PageCapture& capture) {
  STASIS_LET(const auto names, pagemap_names(images_));
  for (const auto& name : names) STASIS_TRY(in_context(name, collect(name, capture)));
  remove_known_for_criu(images_);
  return {};
}

Result<void> LeftOut::collect(const std::string& pagemap, PageCapture& capture) {
  STASIS_LET(const std::string text, read_images_file(images_, pagemap));
  STASIS_LET(const CriuPagemap map, parse_criu_pagemap(text));
  STASIS_LET(const UniqueFd written, open_images_file(images_, map.image));
  const auto pid = pagemap_of_process(pagemap);
  const KnownProcess* const known = pid ? known_process(*pid) : nullptr;
  UniqueFd aside;
  MemoryRanges not_known;
  if (known != nullptr) {
    STASIS_LET(aside, open_images_file(images_, aside_name(*pid)));
    not_known = not_known_[*pid];
  }
  // It is an image, with whatever in it.
  STASIS_TRY(capture.add_pages(map.image, nullptr, 0));
  auto next = not_known.begin();
  for (const auto& range : map.ranges) {
    if (!range.known) {
      STASIS_TRY(add_from(written.get(), map.image, range.pages, capture));
      continue;
    }
    if (known == nullptr) return fail(ErrorKind::lost, "leaves out what is not known");
    for (MemoryRange left = range; left.pages > 0;) {
      while (next != not_known.end() && next->end() <= left.address) ++next;
      const bool is_aside = next != not_known.end() && next->address <= left.address;
      std::uint64_t until = left.end();
      if (next != not_known.end()) until = std::min(until, is_aside ? next->end() : next->address);
      const MemoryRange now = take_front(left, (until - left.address) / kPageSize);
      if (is_aside) {
        STASIS_TRY(add_from(aside.get(), map.image, now.pages, capture));
      } else {
        STASIS_TRY(known->find(now, [&](const KnownProcess::Found& found) -> Result<void> {
          if (!found.known) return fail(ErrorKind::lost, "leaves out what is not known");
          capture.add_known(map.image, found.run);
          return {};
        }));
        known_pages_ += now.pages;
      }
    }
  }
  char more = 0;
  if (::read(written.get(), &more, 1) != 0) return fail(ErrorKind::lost, map.image + " has more pages than that");
  STASIS_LET(const std::string complete, complete_criu_pagemap(text));
  STASIS_TRY(write_images_file(images_, pagemap, complete));
  if (::unlinkat(images_, map.image.c_str(), 0) != 0) return fail(errno_error("remove " + map.image, errno));
  return {};
}

}  // namespace stasis
