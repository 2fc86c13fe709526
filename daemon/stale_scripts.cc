// SPDX-License-Identifier: Apache-2.0
#include "daemon/stale_scripts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "common/proc.h"
#include "common/read_file.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

namespace fs = std::filesystem;

constexpr char kStepd[] = "slurmstepd: [";
constexpr std::size_t kShortestName = 8;  // "job00812"
constexpr char kScript[] = "slurm_script";

bool is_number(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// "job00812": "812".
std::string job_of_directory(const std::string& name) {
  if (name.size() < kShortestName || !name.starts_with("job") || !is_number(name.substr(3))) return {};
  const auto first = std::min(name.find_first_not_of('0', 3), name.size());
  return name.substr(first);
}

std::set<std::string> jobs_at_work() {
  std::set<std::string> jobs;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    if (!is_number(at->path().filename())) continue;
    const auto line = read_file(at->path() / "cmdline");
    if (line) jobs.insert(job_of_slurmstepd(*line));
  }
  return jobs;
}

}  // namespace

std::time_t node_started() {
  const auto stat = read_proc_stat(1);
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  const auto after_boot = stat ? static_cast<std::time_t>(stat->start_ticks) / ::sysconf(_SC_CLK_TCK) : 0;
  return std::time(nullptr) - up.tv_sec + after_boot;
}

std::string spool_of_this_node(std::string slurmd_spool_dir) {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  std::string host(name);
  host.resize(std::min(host.find('.'), host.size()));
  for (const char* pattern : {"%h", "%n"}) {
    for (std::size_t at; (at = slurmd_spool_dir.find(pattern)) != std::string::npos;) {
      slurmd_spool_dir.replace(at, 2, host);
    }
  }
  return slurmd_spool_dir;
}

std::string job_of_slurmstepd(const std::string& command_line) {
  if (!command_line.starts_with(kStepd)) return {};
  const std::size_t begin = sizeof kStepd - 1;
  return command_line.substr(begin, command_line.find_first_of(".]", begin) - begin);
}

int remove_stale_scripts(const std::string& spool, std::time_t started) {
  int removed = 0;
  const auto at_work = jobs_at_work();
  std::error_code error;
  for (fs::directory_iterator at(spool, error), end; !error && at != end; at.increment(error)) {
    const std::string job = job_of_directory(at->path().filename());
    if (job.empty() || at_work.count(job) != 0) continue;
    const UniqueFd directory(::open(at->path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (::fstatat(directory.get(), kScript, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(status.st_mode) || status.st_mtime >= started) continue;
    if (::unlinkat(directory.get(), kScript, 0) == 0) ++removed;
  }
  return removed;
}

}  // namespace stasis
