// SPDX-License-Identifier: Apache-2.0
#include "common/subprocess.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "common/unique_fd.h"

namespace stasis {
namespace {

// What the child was doing when it failed before the program ran; told to the parent through a pipe.
enum class Step : int { move_fds, close_fds, exec };
struct ChildFailure {
  Step step;
  int error_number;
};

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Everything the child needs, made before the fork: after it, in a process that had other threads, only system calls
// are safe.
struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> envp;
  UniqueFd null;
  Pipe out;
  Pipe err;
  Pipe failure;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 2);
  // execve() takes char* for history's sake and changes nothing.
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

Result<Prepared> prepare(const Command& command) {
  if (command.program.empty() || command.program.front() != '/') {
    return fail(ErrorKind::failed, "run '" + command.program + "': not an absolute path");
  }
  Prepared prepared;
  prepared.argv = pointers(command.arguments);
  prepared.argv.insert(prepared.argv.begin(), const_cast<char*>(command.program.c_str()));
  prepared.envp = pointers(command.environment);
  prepared.null.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!prepared.null) return fail(errno_error("open /dev/null", errno));
  STASIS_LET(prepared.out, make_pipe());
  STASIS_LET(prepared.err, make_pipe());
  STASIS_LET(prepared.failure, make_pipe());
  return prepared;
}

void reset_signals() noexcept {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void child(const char* program, const Prepared& p) noexcept {
  const auto give_up = [&p](Step step) {
    const ChildFailure failure{step, errno};
    // Nothing more can be done when even that fails: the parent then sees exit 127.
    [[maybe_unused]] const ssize_t written = ::write(p.failure.write.get(), &failure, sizeof failure);
    ::_exit(127);
  };
  ::setpgid(0, 0);
  reset_signals();
  // Should our own 0, 1 or 2 be closed, the ends may be among them: move them out of the way first.
  const int in = ::fcntl(p.null.get(), F_DUPFD_CLOEXEC, 3);
  const int out = ::fcntl(p.out.write.get(), F_DUPFD_CLOEXEC, 3);
  const int err = ::fcntl(p.err.write.get(), F_DUPFD_CLOEXEC, 3);
  const int report = ::fcntl(p.failure.write.get(), F_DUPFD_CLOEXEC, 3);
  if (in < 0 || out < 0 || err < 0 || report < 0) give_up(Step::move_fds);
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) give_up(Step::move_fds);
  // Whoever opened a descriptor without close-on-exec: it does not get in.
  if (::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) give_up(Step::close_fds);
  ::execve(program, p.argv.data(), p.envp.data());
  give_up(Step::exec);
  ::_exit(127);
}

// A child that cannot outlive this object.
class Child {
 public:
  Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) kill_and_reap();
  }

  int pidfd() const { return pidfd_.get(); }

  // Blocks until it has ended.
  int reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  void kill_and_reap() {
    // The group, for what it has started; itself too, should it not have come to making the group.
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    reap();
  }

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

// The parent's end of one output pipe.
struct Capture {
  UniqueFd fd;
  std::string& text;
  bool& cut;
  std::size_t limit;

  // Reads what is there. Closes at the end of the stream.
  void drain() {
    std::array<char, 16384> block{};
    while (fd) {
      const ssize_t n = ::read(fd.get(), block.data(), block.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {
        fd.reset();
        return;
      }
      const std::size_t room = limit - text.size();
      const auto size = static_cast<std::size_t>(n);
      text.append(block.data(), std::min(size, room));
      cut |= size > room;
    }
  }
};

// Waits until exec has closed the child's end of the pipe, or until it has told why it came to none. Nothing comes
// from a child that was killed, or that hangs until the deadline: the wait for its end deals with both.
std::optional<ChildFailure> read_failure(int fd, const Deadline& deadline) {
  pollfd watched{fd, POLLIN, 0};
  while (::poll(&watched, 1, deadline.poll_timeout()) < 0 && errno == EINTR) {
  }
  ChildFailure failure{};
  if (watched.revents == 0 || ::read(fd, &failure, sizeof failure) != static_cast<ssize_t>(sizeof failure)) {
    return std::nullopt;
  }
  return failure;
}

Failure start_failure(const std::string& program, const ChildFailure& failure) {
  switch (failure.step) {
    case Step::move_fds:
      return fail(errno_error("start " + program + ": set up its output", failure.error_number));
    case Step::close_fds:
      return fail(errno_error("start " + program + ": close_range", failure.error_number));
    case Step::exec:
      break;
  }
  return fail(errno_error("exec " + program, failure.error_number));
}

// Reads both streams until the child has ended. What a grandchild still holds open then is not waited for.
// Returns false when the deadline came first.
bool capture_until_exit(const Child& running, Capture& out, Capture& err, const Deadline& deadline) {
  for (;;) {
    std::array<pollfd, 3> watched{{{running.pidfd(), POLLIN, 0}, {out.fd.get(), POLLIN, 0}, {err.fd.get(), POLLIN, 0}}};
    const int ready = ::poll(watched.data(), watched.size(), deadline.poll_timeout());
    out.drain();
    err.drain();
    if (ready > 0 && watched[0].revents != 0) {
      // Written between the reading above and the end.
      out.drain();
      err.drain();
      return true;
    }
    if (deadline.passed()) return false;
  }
}

}  // namespace

std::string Finished::how() const {
  if (signal == 0) return "exit " + std::to_string(exit_code);
  const char* name = ::sigabbrev_np(signal);
  return "killed by " + (name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal));
}

Result<Finished> run(const Command& command, Deadline deadline) {
  const auto start = Deadline::Clock::now();
  STASIS_LET(Prepared prepared, prepare(command));

  const pid_t pid = ::fork();
  if (pid < 0) return fail(errno_error("fork for " + command.program, errno));
  if (pid == 0) child(command.program.c_str(), prepared);
  Child running(pid, UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  if (running.pidfd() < 0) return fail(errno_error("pidfd_open for " + command.program, errno));

  prepared.out.write.reset();
  prepared.err.write.reset();
  prepared.failure.write.reset();
  if (const auto failure = read_failure(prepared.failure.read.get(), deadline)) {
    return start_failure(command.program, *failure);
  }

  Finished finished;
  for (const UniqueFd* end : {&prepared.out.read, &prepared.err.read}) ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
  Capture out{std::move(prepared.out.read), finished.out, finished.out_cut, command.output_limit};
  Capture err{std::move(prepared.err.read), finished.err, finished.err_cut, command.output_limit};
  if (!capture_until_exit(running, out, err, deadline)) {
    return fail(ErrorKind::timed_out, command.program + ": did not end in time and was killed");
  }
  const int status = running.reap();
  if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
  if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
  finished.took = std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start);
  return finished;
}

}  // namespace stasis
