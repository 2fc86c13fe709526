// SPDX-License-Identifier: Apache-2.0
#include "capsule/stdio.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace stasis {
namespace {

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// The path behind `fd`, if it leads back to the same file. False: leave the descriptor alone.
bool path_of(int fd, char (&path)[PATH_MAX], struct stat& status) {
  char link[32];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = ::readlink(link, path, sizeof path - 1);
  if (length <= 0 || path[0] != '/') return false;
  path[length] = '\0';
  struct stat now {};
  return ::fstat(fd, &status) == 0 && ::stat(path, &now) == 0 && same_file(status, now);
}

void reopen(int fd) {
  char path[PATH_MAX];
  struct stat before {};
  if (!path_of(fd, path, before)) return;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0) return;
  const int again = ::open(path, (flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC)) | O_NOCTTY | O_CLOEXEC);
  if (again < 0) return;
  struct stat after {};
  if (::fstat(again, &after) == 0 && same_file(before, after)) {
    if (S_ISREG(before.st_mode)) ::lseek(again, ::lseek(fd, 0, SEEK_CUR), SEEK_SET);
    ::dup2(again, fd);
  }
  ::close(again);
}

}  // namespace

void reopen_stdio() noexcept {
  struct stat out {
  }, err{};
  // A job's stdout and stderr are most often one open file, and have to stay one.
  const bool joined = ::fstat(1, &out) == 0 && ::fstat(2, &err) == 0 && same_file(out, err) && S_ISREG(out.st_mode);
  reopen(0);
  reopen(1);
  if (joined) {
    ::dup2(1, 2);
  } else {
    reopen(2);
  }
}

}  // namespace stasis
