// SPDX-License-Identifier: Apache-2.0
#include "daemon/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <thread>

namespace stasis {
namespace {

constexpr std::chrono::milliseconds kLookAgain{10};

}  // namespace

Result<UniqueFd> lock_run_directory(const std::string& directory, Deadline patience) {
  const auto parent = std::filesystem::path(directory).parent_path();
  std::error_code error;
  std::filesystem::create_directories(parent, error);
  if (error) return fail(errno_error("mkdir " + parent.string(), error.value()));
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("mkdir " + directory, errno));
  UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!lock) return fail(errno_error("open " + directory, errno));
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (patience.passed()) return fail(ErrorKind::busy, "another operation on this run is under way");
    std::this_thread::sleep_for(kLookAgain);
  }
  return lock;
}

void remove_locked_run_directory(const std::string& directory) {
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
}

Result<UniqueFd> fresh_directory(const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return fail(errno_error("remove " + path, error.value()));
  if (::mkdir(path.c_str(), 0700) != 0) return fail(errno_error("mkdir " + path, errno));
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(errno_error("open " + path, errno));
  return fd;
}

}  // namespace stasis
