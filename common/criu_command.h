// SPDX-License-Identifier: Apache-2.0
// criu_command.h - the one place that knows CRIU's command line.
//
// Every criu of ours gets the images as descriptor kImagesFd, takes no configuration from anywhere but this line, and
// leaves cgroups and networks alone: they are Slurm's and the node's.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

namespace stasis {

struct DumpOptions {
  pid_t root = 0;             // in the capsule's PID namespace
  bool leave_running = true;  // false: criu ends the tree once the hook lets it go on
  std::chrono::seconds timeout{600};
  // The kernel tells from then on which pages are written to.
  bool track_memory = false;
  // Not empty: a directory among the images, which says what was known of the memory when the kernel began to. All that
  // was not written to since is left out; and what is there comes in files, not through the socket.
  std::string known;
};

struct RestoreOptions {
  // What the links /proc/PID/fd/0..2 of the dumped root were: "pipe:[1234]" is replaced with the new task's own.
  std::array<std::string, 3> stdio;
  // The images come through the socket among them.
  bool stream = false;
};

std::vector<std::string> criu_dump_command(const std::string& criu, const DumpOptions& options);
std::vector<std::string> criu_restore_command(const std::string& criu, const RestoreOptions& options);

inline constexpr char kDumpLog[] = "dump.log";
inline constexpr char kRestoreLog[] = "restore.log";

}  // namespace stasis
