// SPDX-License-Identifier: Apache-2.0
#include "daemon/memory_tracking.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "common/proc.h"
#include "common/read_file.h"

namespace stasis {
namespace {

constexpr std::chrono::milliseconds kLookAgain{5};

Result<std::uint64_t> end_of_stack(const ProcessMemory& memory) {
  STASIS_LET(const auto mappings, memory.mappings());
  const auto stack = std::find_if(mappings.begin(), mappings.end(), [](const auto& m) { return m.name == "[stack]"; });
  if (stack == mappings.end()) return fail(ErrorKind::not_found, "a process without a stack");
  return stack->end;
}

// Who asks for transfers and does not wait for them has a ring to be told of them.
bool has_transfers(const ProcessMemory& memory) {
  const auto mappings = memory.mappings();
  return mappings &&
         std::any_of(mappings->begin(), mappings->end(), [](const auto& m) { return m.name.starts_with("/[aio]"); });
}

// Threads that wait for a device, and how often they have given up their processor.
struct Waiting {
  std::string status;
  std::uint64_t switches;
};

std::optional<std::uint64_t> switches_of_waiting(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::nullopt;
  const auto status = parse_proc_status(*text);
  return status && status->state == 'D' ? std::optional(status->switches) : std::nullopt;
}

std::vector<Waiting> waiting_threads(const std::vector<CapsuleProcess>& tree) {
  std::vector<Waiting> waiting;
  for (const auto& process : tree) {
    std::error_code error;
    const std::string tasks = "/proc/" + std::to_string(process.host) + "/task";
    for (std::filesystem::directory_iterator at(tasks, error), end; !error && at != end; at.increment(error)) {
      const std::string path = at->path().string() + "/status";
      if (const auto switches = switches_of_waiting(path)) waiting.push_back({path, *switches});
    }
  }
  return waiting;
}

}  // namespace

Result<void> begin_tracking(const ProcessMemory& memory) {
  STASIS_LET(const UniqueFd refs, memory.open_file("clear_refs", O_WRONLY));
  return forget_writes(refs.get());
}

Result<void> mark_tracked(const ProcessMemory& memory) {
  STASIS_LET(const std::uint64_t end, end_of_stack(memory));
  STASIS_LET(const UniqueFd file, memory.open_file("mem", O_RDWR));
  // The kernel leaves a word of zeros at the very end, behind the program's name.
  const auto last = static_cast<off_t>(end - 1);
  char byte = 1;
  if (::pread(file.get(), &byte, 1, last) != 1 || byte != 0 || ::pwrite(file.get(), &byte, 1, last) != 1) {
    return fail(ErrorKind::unsupported, "a stack that does not end as one does");
  }
  return {};
}

bool is_ours_to_track(const ProcessMemory& memory) {
  const auto end = end_of_stack(memory);
  const auto pagemap = memory.open_file("pagemap", O_RDONLY);
  MemoryRanges written;
  return end && pagemap && scan_pages(pagemap->get(), *end - kPageSize, *end, Pages::written, written) &&
         !written.empty();
}

Result<MemoryRanges> tracked_pages(const ProcessMemory& memory, Pages which) {
  STASIS_LET(const UniqueFd pagemap, memory.open_file("pagemap", O_RDONLY));
  STASIS_LET(const auto mappings, memory.mappings());
  MemoryRanges ranges;
  for (const auto& mapping : mappings) {
    if (!mapping.may_have_pages()) continue;
    STASIS_TRY(scan_pages(pagemap.get(), mapping.begin, mapping.end, which, ranges));
  }
  return ranges;
}

Result<void> wait_for_transfers(const std::vector<CapsuleProcess>& tree, Deadline deadline) {
  for (const auto& process : tree) {
    const auto memory = ProcessMemory::open(process);
    if (memory && has_transfers(*memory)) {
      return fail(ErrorKind::unsupported, "a process with transfers that nobody waits for");
    }
  }
  for (auto waiting = waiting_threads(tree); !waiting.empty();) {
    std::erase_if(waiting, [](const Waiting& one) { return switches_of_waiting(one.status) != one.switches; });
    if (waiting.empty()) break;
    if (deadline.poll_timeout() == 0) return fail(ErrorKind::timed_out, "a thread has waited for a device too long");
    std::this_thread::sleep_for(kLookAgain);
  }
  return {};
}

}  // namespace stasis
