// SPDX-License-Identifier: Apache-2.0
#include "capsule/results.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

#include "capsule/signals.h"

namespace stasis {
namespace {

constexpr int kNotCopied = 1 << 8;  // exit code 1
// Far below what execve() takes, with names of any length.
constexpr std::size_t kNamesAtOnce = 200;

int not_copied(const std::string& folder, const char* why) {
  std::fprintf(stderr, "stasis: error: RESULT_FOLDER %s: %s\n", folder.c_str(), why);
  return kNotCopied;
}

// The whole paths of what is in a directory, sorted.
bool list(const std::string& directory, std::vector<std::string>& paths) {
  DIR* const open = ::opendir(directory.c_str());
  if (open == nullptr) return false;
  while (const dirent* entry = ::readdir(open)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") paths.push_back(directory + "/" + name);
  }
  ::closedir(open);
  std::sort(paths.begin(), paths.end());
  return true;
}

// Its status, or that of a signal which was meant for us and for which it was killed.
int wait_for(pid_t child) {
  sigset_t all;
  ::sigfillset(&all);
  int status = kNotCopied;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    const int number = ::sigwaitinfo(&all, nullptr);
    if (!ends_by_default(number)) continue;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    return number;
  }
  return status;
}

}  // namespace

int copy_results(const std::string& from, const std::string& folder) {
  std::vector<std::string> paths;
  if (!list(from, paths)) return not_copied(folder, ("cannot list " + from + ": " + std::strerror(errno)).c_str());
  if (::mkdir(folder.c_str(), 0777) != 0 && errno != EEXIST) return not_copied(folder, std::strerror(errno));
  struct stat source {
  }, target{};
  if (::stat(from.c_str(), &source) != 0 || ::stat(folder.c_str(), &target) != 0) {
    return not_copied(folder, std::strerror(errno));
  }
  if (source.st_dev == target.st_dev && source.st_ino == target.st_ino) return 0;
  int result = 0;
  for (std::size_t at = 0; at < paths.size(); at += kNamesAtOnce) {
    const pid_t child = ::fork();
    if (child < 0) return not_copied(folder, std::strerror(errno));
    if (child == 0) {
      reset_signals();
      std::string words[] = {"cp", "-a", "-t", folder, "--"};
      std::vector<char*> argv;
      for (auto& word : words) argv.push_back(word.data());
      for (std::size_t i = at; i < std::min(at + kNamesAtOnce, paths.size()); ++i) argv.push_back(paths[i].data());
      argv.push_back(nullptr);
      ::execv("/bin/cp", argv.data());
      ::_exit(127);
    }
    const int status = wait_for(child);
    if (WIFSIGNALED(status)) return status;
    if (status != 0) result = not_copied(folder, ("not everything in " + from + " could be copied").c_str());
  }
  return result;
}

}  // namespace stasis
