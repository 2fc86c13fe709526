// SPDX-License-Identifier: Apache-2.0
// proc.h - what /proc says about a process, as values.
//
// The process may be hostile: its name can hold spaces, parentheses and newlines. And it may be gone, or its pid
// may be another's by the time the answer is used: who acts on a pid holds a pidfd, or compares start_ticks.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace stasis {

struct ProcStat {
  pid_t pid = 0;
  std::string name;  // at most 15 bytes, any of them but NUL
  char state = '?';  // R, S, D, T (stopped), t (traced), Z (zombie), ...
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  int threads = 0;
  std::uint64_t start_ticks = 0;  // since boot; with the pid it names one process for the machine's whole uptime
};

struct ProcStatus {
  char state = '?';  // as in ProcStat
  struct Ids {
    std::uint32_t real = 0, effective = 0, saved = 0, file_system = 0;
  };
  Ids uid;
  Ids gid;
  std::vector<gid_t> groups;
  std::vector<pid_t> pids;  // as seen by each PID namespace, the reader's own first; the last is its own idea of it
  std::uint64_t cap_inheritable = 0, cap_permitted = 0, cap_effective = 0, cap_bounding = 0, cap_ambient = 0;
  std::uint64_t signals_pending = 0;          // of this thread alone; bit N - 1 is signal N
  std::uint64_t process_signals_pending = 0;  // of any thread of the process
  std::uint64_t signals_blocked = 0, signals_ignored = 0, signals_caught = 0;
  std::uint64_t switches = 0;      // how often it has given up its processor, or was made to
  std::uint64_t resident_kib = 0;  // 0 for kernel threads and zombies
};

struct CgroupEntry {
  int hierarchy = 0;        // 0 is cgroup v2
  std::string controllers;  // "memory", "cpu,cpuacct", "name=systemd"; empty for v2
  std::string path;         // as seen from the reader's cgroup namespace, beginning with '/'

  friend bool operator==(const CgroupEntry&, const CgroupEntry&) = default;
};

// The text of /proc/PID/stat, status and cgroup. ErrorKind::corrupt for what the kernel would never write.
Result<ProcStat> parse_proc_stat(std::string_view text);
Result<ProcStatus> parse_proc_status(std::string_view text);
Result<std::vector<CgroupEntry>> parse_proc_cgroup(std::string_view text);

// The same of a live process; ErrorKind::not_found when there is none.
Result<ProcStat> read_proc_stat(pid_t pid);
Result<ProcStatus> read_proc_status(pid_t pid);
Result<std::vector<CgroupEntry>> read_proc_cgroup(pid_t pid);

}  // namespace stasis
