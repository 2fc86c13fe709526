// SPDX-License-Identifier: Apache-2.0
#include "common/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace stasis {
namespace {

constexpr int kThrew = 125;
constexpr int kCannotEnter = 126;
constexpr int kCannotExecute = 127;

[[noreturn]] void execute(const std::vector<std::string>& argv, int output, const std::vector<Pass>& pass) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char locale[] = "LC_ALL=C";
  char* environment[] = {path, locale, nullptr};
  // The numbers asked for may be in use by what is still to be passed: out of the way first.
  std::vector<Pass> away;
  for (const Pass& p : pass) {
    away.push_back({::fcntl(p.from, F_DUPFD_CLOEXEC, 500), p.to});
    if (away.back().from < 0) ::_exit(kCannotEnter);
  }
  const int out = ::fcntl(output, F_DUPFD_CLOEXEC, 500);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ::dup2(null, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const Pass& p : away) ::dup2(p.from, p.to);
  ::execve(words[0], words.data(), environment);
  ::_exit(kCannotExecute);
}

}  // namespace

Result<pid_t> spawn_in_capsule(int init_pidfd, Enter enter, const std::vector<std::string>& argv, int output,
                               const std::vector<Pass>& pass) {
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child > 0) return child;
  const int what = enter == Enter::mounts ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWPID;
  if (::setns(init_pidfd, what) != 0) ::_exit(kCannotEnter);
  if (enter == Enter::mounts) execute(argv, output, pass);
  // Only a child is in the new PID namespace. This process stays its parent and ends as it ends.
  const pid_t inside = ::fork();
  if (inside < 0) ::_exit(kCannotEnter);
  if (inside == 0) execute(argv, output, pass);
  ::close_range(3, ~0U, 0);
  int status = 0;
  while (::waitpid(inside, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
  ::_exit(128 + WTERMSIG(status));
}

Result<int> call_in_capsule(int init_pidfd, const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) {
    if (::setns(init_pidfd, CLONE_NEWNS) != 0) ::_exit(kCannotEnter);
    try {
      ::_exit(work());
    } catch (...) {
      // Not on into the caller's code, which would then run twice.
      ::_exit(kThrew);
    }
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) == kThrew) return fail(ErrorKind::failed, "died inside of the capsule");
  if (WEXITSTATUS(status) == kCannotEnter) return fail(ErrorKind::not_found, "the capsule is gone");
  return WEXITSTATUS(status);
}

}  // namespace stasis
