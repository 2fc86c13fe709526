// SPDX-License-Identifier: Apache-2.0
#include "daemon/leftovers.h"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <set>
#include <thread>

#include "common/read_file.h"
#include "daemon/run_lock.h"

namespace stasis {
namespace fs = std::filesystem;
namespace {

constexpr char kTmp[] = "/tmp";
constexpr char kHolderPrefix[] = ".stasis-";
// A capsule that is just being made has its /tmp before it is mounted anywhere, for milliseconds.
constexpr std::time_t kSurelyMade = 60;
// A run that the daemon did not know when it said which ones live has made its directory since.
constexpr std::time_t kSurelyKnown = 3;
constexpr std::chrono::milliseconds kLookEvery{20};

// Every mount table of the node, one per mount namespace.
std::set<std::string> mount_tables() {
  std::set<std::string> tables;
  std::set<ino_t> seen;
  std::error_code error;
  for (fs::directory_iterator at("/proc", error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    struct stat status {};
    if (::stat((at->path() / "ns/mnt").c_str(), &status) != 0 || !seen.insert(status.st_ino).second) continue;
    // A process that is just going away: its namespace counts with another one of it.
    if (auto table = read_file(at->path() / "mountinfo", 64 << 20)) {
      tables.insert(std::move(*table));
    } else {
      seen.erase(status.st_ino);
    }
  }
  return tables;
}

bool is_mounted(const std::string& holder, const std::set<std::string>& tables) {
  // The mount's root, relative to its file system, ends in the holder's name and /tmp.
  const std::string root = holder.substr(holder.rfind('/')) + "/tmp ";
  for (const auto& table : tables) {
    if (table.find(root) != std::string::npos) return true;
  }
  return false;
}

bool remove_unmounted(const std::string& holder, const std::set<std::string>& tables) {
  struct stat status {};
  if (::lstat(holder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != 0) return false;
  if (is_mounted(holder, tables)) return false;
  std::error_code error;
  // Follows no link: what is inside was the user's.
  fs::remove_all(holder, error);
  return !error;
}

bool is_holder_path(const std::string& path) {
  const std::string prefix = std::string(kTmp) + "/" + kHolderPrefix;
  return path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos && path.size() > prefix.size();
}

bool changed_since(const std::string& path, std::time_t then) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) != 0 || status.st_ctime >= then;
}

int remove_run_directories(const Config& config, const std::set<std::string>& living) {
  const std::time_t begun = std::time(nullptr);
  int removed = 0;
  std::error_code error;
  for (fs::directory_iterator at(config.local, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path();
    if (living.count(path) != 0 || changed_since(path, begun - kSurelyKnown)) continue;
    if (remove_run_directory(path)) ++removed;
  }
  return removed;
}

}  // namespace

bool remove_run_directory(const std::string& directory) {
  if (!fs::is_directory(fs::symlink_status(directory))) return false;
  const auto lock = lock_run_directory(directory);
  std::error_code error;
  return lock && fs::remove_all(directory, error) > 0 && !error;
}

bool remove_tmp_holder(const std::string& holder, Deadline patience) {
  if (!is_holder_path(holder)) return false;
  while (!remove_unmounted(holder, mount_tables())) {
    if (patience.passed() || ::access(holder.c_str(), F_OK) != 0) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
  return true;
}

int remove_leftovers(const Config& config, const std::set<std::string>& living) {
  int removed = remove_run_directories(config, living);
  const auto tables = mount_tables();
  std::error_code error;
  for (fs::directory_iterator at(kTmp, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path();
    if (!is_holder_path(path) || changed_since(path, std::time(nullptr) - kSurelyMade)) continue;
    if (remove_unmounted(path, tables)) ++removed;
  }
  return removed;
}

}  // namespace stasis
