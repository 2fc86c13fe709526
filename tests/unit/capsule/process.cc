// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/capsule/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <utility>

#include "tests/unit/wait_for.h"

namespace stasis {

std::string capsule_program(const std::string& name) { return std::string(STASIS_CAPSULE_PROGRAMS) + "/" + name; }

namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const auto& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

[[noreturn]] void become(const Process::Start& start, int output) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGUSR1, SIGPIPE, SIGHUP}) (void)std::signal(number, SIG_IGN);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  std::map<int, int> away;
  for (const auto& [there, here] : start.fds) away[there] = ::fcntl(here, F_DUPFD_CLOEXEC, 100);
  // Whatever the test itself was started with.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  for (const auto& [there, here] : away) ::dup2(here, there);
  if (start.before_exec) start.before_exec();
  ::execve(start.argv[0].c_str(), pointers(start.argv).data(), pointers(start.environment).data());
  ::_exit(126);
}

}  // namespace

Process::Process(const Start& start) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  output_.reset(ends[0]);
  const UniqueFd theirs(ends[1]);
  pid_ = ::fork();
  if (pid_ == 0) become(start, theirs.get());
}

Process::~Process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Process::read_more() {
  pollfd ready{output_.get(), POLLIN, 0};
  if (::poll(&ready, 1, 20'000) <= 0) return false;
  char block[4096];
  const ssize_t size = ::read(output_.get(), block, sizeof block);
  if (size <= 0) return false;
  text_.append(block, static_cast<std::size_t>(size));
  return true;
}

std::string Process::line() {
  while (text_.find('\n') == std::string::npos && read_more()) {
  }
  const auto end = std::min(text_.find('\n'), text_.size());
  std::string found = text_.substr(0, end);
  text_.erase(0, end + 1);
  return found;
}

std::string Process::rest() {
  while (read_more()) {
  }
  return std::exchange(text_, {});
}

int Process::wait() {
  int status = -1;
  if (!wait_for([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return status;
}

}  // namespace stasis
