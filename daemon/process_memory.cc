// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/page_scan.h"
#include "common/proc.h"
#include "common/read_file.h"

namespace stasis {
namespace {

// Tens of thousands of mappings, which is the kernel's limit unless somebody has raised it.
constexpr std::size_t kMapsLimit = 64 << 20;

UniqueFd open_below(const UniqueFd& process, const char* name) {
  return UniqueFd(::openat(process.get(), name, O_RDONLY | O_CLOEXEC));
}

Result<std::string> read_below(const UniqueFd& process, const char* name, std::size_t limit) {
  return read_file("/proc/self/fd/" + std::to_string(process.get()) + "/" + name, limit);
}

// "7f5c1000-7f5c3000 r-xp 00000000 fe:01 1234    /usr/bin/program"; nullopt: it is something else.
std::optional<Mapping> parse_mapping(std::string_view line) {
  Mapping mapping;
  const char* const end = line.data() + line.size();
  const auto begins = std::from_chars(line.data(), end, mapping.begin, 16);
  if (begins.ec != std::errc() || begins.ptr == end || *begins.ptr != '-') return std::nullopt;
  const auto ends = std::from_chars(begins.ptr + 1, end, mapping.end, 16);
  if (ends.ec != std::errc() || end - ends.ptr < 5) return std::nullopt;
  mapping.rights.assign(ends.ptr + 1, 4);
  // Behind the offset, the device and the inode.
  std::string_view rest(ends.ptr + 5, static_cast<std::size_t>(end - ends.ptr) - 5);
  for (int word = 0; word < 3; ++word) {
    rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
    rest.remove_prefix(std::min(rest.size(), rest.find(' ')));
  }
  rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(' ')));
  mapping.name = rest;
  return mapping;
}

}  // namespace

Result<ProcessMemory> ProcessMemory::open(const CapsuleProcess& process) {
  const std::string path = "/proc/" + std::to_string(process.host);
  UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail(ErrorKind::not_found, path + " is gone");
  UniqueFd memory = open_below(directory, "mem");
  if (!memory) return fail(errno_error("open " + path + "/mem", errno));
  STASIS_LET(const std::string text, read_below(directory, "status", 1 << 20));
  STASIS_LET(const ProcStatus now, parse_proc_status(text));
  // Another one with its pid would be somebody else inside.
  if (now.pids.empty() || now.pids.back() != process.inside) return fail(ErrorKind::not_found, path + " is another's");
  return ProcessMemory(std::move(directory), std::move(memory));
}

Result<UniqueFd> ProcessMemory::open_file(const char* name, int flags) const {
  UniqueFd file(::openat(process_.get(), name, flags | O_CLOEXEC));
  if (!file) return fail(errno_error(std::string("open a process's ") + name, errno));
  return file;
}

Result<std::vector<Mapping>> ProcessMemory::mappings() const {
  STASIS_LET(const std::string text, read_below(process_, "maps", kMapsLimit));
  std::vector<Mapping> mappings;
  for (std::string_view maps = text; !maps.empty();) {
    const std::string_view line = maps.substr(0, maps.find('\n'));
    maps.remove_prefix(std::min(maps.size(), line.size() + 1));
    auto mapping = parse_mapping(line);
    if (mapping) mappings.push_back(std::move(*mapping));
  }
  return mappings;
}

Result<MemoryRanges> ProcessMemory::own_pages() const {
  STASIS_LET(const UniqueFd pagemap, open_file("pagemap", O_RDONLY));
  STASIS_LET(const auto all, mappings());
  MemoryRanges ranges;
  for (const auto& mapping : all) {
    if (!mapping.may_have_pages()) continue;
    STASIS_TRY(scan_pages(pagemap.get(), mapping.begin, mapping.end, Pages::all, ranges));
  }
  return ranges;
}

Result<MemoryRanges> ProcessMemory::executable() const {
  STASIS_LET(const auto all, mappings());
  MemoryRanges ranges;
  for (const auto& mapping : all) {
    if (!mapping.is_private() || mapping.rights[2] != 'x') continue;
    ranges.push_back({mapping.begin, (mapping.end - mapping.begin) / kPageSize});
  }
  return ranges;
}

Result<void> ProcessMemory::read(std::uint64_t address, std::size_t size, char* into) const {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(memory_.get(), into + done, size - done, static_cast<off_t>(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read the memory of a process", errno));
    if (got == 0) return fail(ErrorKind::not_found, "the process whose memory is read has ended");
    done += static_cast<std::size_t>(got);
  }
  return {};
}

}  // namespace stasis
