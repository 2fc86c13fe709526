// SPDX-License-Identifier: Apache-2.0
// test_capsule.h - a real capsule, as far as namespaces go: PID, mount and IPC namespaces of its own. For root only.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <stdexcept>

#include "common/unique_fd.h"

namespace stasis {

class TestCapsule {
 public:
  static bool possible() { return ::getuid() == 0; }

  // `life` is called as the capsule's first process, in its namespaces; the capsule is ready when it returns.
  explicit TestCapsule(const std::function<void()>& life = [] {}) {
    int pid_line[2], ready_line[2];
    if (::pipe2(pid_line, O_CLOEXEC) != 0 || ::pipe2(ready_line, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const UniqueFd pid_read(pid_line[0]), ready_read(ready_line[0]);
    UniqueFd pid_write(pid_line[1]), ready_write(ready_line[1]);
    outer_ = ::fork();
    if (outer_ == 0) be_outer(pid_write.get(), ready_write.get(), life);
    pid_write.reset();
    ready_write.reset();
    char ready = 0;
    if (::read(pid_read.get(), &init_, sizeof init_) != sizeof init_ || ::read(ready_read.get(), &ready, 1) != 1) {
      end();
      throw std::runtime_error("no capsule: are namespaces allowed here?");
    }
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, init_, 0)));
  }
  TestCapsule(const TestCapsule&) = delete;
  TestCapsule& operator=(const TestCapsule&) = delete;
  ~TestCapsule() { end(); }

  pid_t init() const { return init_; }
  int pidfd() const { return pidfd_.get(); }

  // As when the job ends. The pidfd still names what was there.
  void end() {
    if (outer_ <= 0) return;
    if (init_ > 0) ::kill(init_, SIGKILL);
    ::waitpid(outer_, nullptr, 0);
    outer_ = -1;
  }

 private:
  [[noreturn]] static void be_outer(int pid_line, int ready_line, const std::function<void()>& life) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC) != 0) ::_exit(1);
    if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) ::_exit(1);
    const pid_t init = ::fork();
    if (init == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::mount("proc", "/proc", "proc", 0, nullptr);
      life();
      (void)!::write(ready_line, "r", 1);
      while (true) ::pause();
    }
    (void)!::write(pid_line, &init, sizeof init);
    ::waitpid(init, nullptr, 0);
    ::_exit(0);
  }

  pid_t outer_ = -1;
  pid_t init_ = -1;
  UniqueFd pidfd_;
};

}  // namespace stasis
