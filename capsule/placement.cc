// SPDX-License-Identifier: Apache-2.0
#include "capsule/placement.h"

#include <cerrno>
#include <charconv>
#include <string>

#include "common/cgroup_join.h"
#include "common/read_file.h"

namespace stasis {

Result<cpu_set_t> parse_cpu_list(std::string_view text) {
  const Failure malformed = fail(ErrorKind::corrupt, "no list of processors: '" + std::string(text) + "'");
  cpu_set_t set;
  CPU_ZERO(&set);
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    unsigned first = 0;
    auto [next, error] = std::from_chars(at, end, first);
    if (error != std::errc()) return malformed;
    unsigned last = first;
    if (next != end && *next == '-') {
      const auto range = std::from_chars(next + 1, end, last);
      if (range.ec != std::errc()) return malformed;
      next = range.ptr;
    }
    if (last < first || last >= CPU_SETSIZE) return malformed;
    for (unsigned cpu = first; cpu <= last; ++cpu) CPU_SET(cpu, &set);
    if (next == end) return set;
    if (*next != ',') return malformed;
    at = next + 1;
  }
}

Result<void> take_placement_of(pid_t pid) {
  STASIS_TRY(join_cgroups_of(pid));
  constexpr std::string_view kKey = "\nCpus_allowed_list:\t";
  STASIS_LET(const std::string status, read_file("/proc/" + std::to_string(pid) + "/status"));
  const auto at = status.find(kKey);
  if (at == std::string::npos) return fail(ErrorKind::corrupt, "/proc/PID/status without Cpus_allowed_list");
  const auto begin = at + kKey.size();
  STASIS_LET(const cpu_set_t set,
             parse_cpu_list(std::string_view(status).substr(begin, status.find('\n', begin) - begin)));
  if (::sched_setaffinity(0, sizeof set, &set) != 0) return fail(errno_error("sched_setaffinity", errno));
  return {};
}

}  // namespace stasis
