// SPDX-License-Identifier: Apache-2.0
// stasis-shim FD PROGRAM [ARG...] - the Slurm task of a protected job: slurmstepd's direct child, with the task's
// cgroup, limits, environment and stdio, as the job's user.
//
// It asks the capsule's init (over FD) whether to start the payload or whether one is being restored, passes signals
// on, and ends exactly as the payload ends, so that Slurm accounts for it truthfully. It is the user's own process and
// decides nothing that matters to anybody else.
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "capsule/environment.h"
#include "capsule/results.h"
#include "capsule/signals.h"
#include "capsule/stdio.h"
#include "common/message_socket.h"
#include "common/protocol.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::chrono::seconds kInitAnswers{10};
// Slurm's are some 4 KiB; a message has room for three times the limit, which is what encoding may make of it.
constexpr std::size_t kVariablesLimit = 12 << 10;
// Longer than the death of a tree of some thousand processes takes.
constexpr std::chrono::seconds kCapsuleEnds{2};

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "stasis: error: %s\n", why.c_str());
  _exit(1);
}

// As slurmstepd does it when no plugin stands in between: a name without '/' is looked for in PATH.
std::string resolve(const std::string& program) {
  const char* path = std::getenv("PATH");
  if (program.empty() || program.find('/') != std::string::npos || path == nullptr) return program;
  std::string_view rest(path);
  while (true) {
    const auto end = rest.find(':');
    std::string candidate = std::string(rest.substr(0, end)) + "/" + program;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    if (end == std::string_view::npos) return program;
    rest.remove_prefix(end + 1);
  }
}

class Shim {
 public:
  Shim(int init, char** argv) : init_(init), argv_(argv), program_(resolve(argv[0])) { argv_[0] = program_.data(); }

  [[noreturn]] void run() {
    const sigset_t all = block_all_signals();
    const UniqueFd signals(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    const int stdio[] = {0, 1, 2};
    const char* restarts = std::getenv("SLURM_RESTART_COUNT");
    tell(Message(verb::kGo)
             .add("restarts", restarts == nullptr ? "0" : restarts)
             .add("variables", slurm_variables(environ, kVariablesLimit)),
         stdio);
    while (true) {
      pollfd fds[] = {{init_.get(), POLLIN, 0}, {signals.get(), POLLIN, 0}};
      ::poll(fds, 2, -1);
      if (fds[1].revents != 0) take_signals(signals.get());
      if (fds[0].revents != 0) take_message();
    }
  }

 private:
  void tell(const Message& message, std::span<const int> fds = {}) {
    // Init gone means its capsule is gone too: take_message() notices.
    (void)send_message(init_.get(), message, fds, Deadline::in(kInitAnswers));
  }

  void take_signals(int signals) {
    signalfd_siginfo info{};
    while (::read(signals, &info, sizeof info) == sizeof info) {
      const int number = static_cast<int>(info.ssi_signo);
      if (number == SIGCHLD) {
        reap();
        continue;
      }
      if (!started_) hear_last_words();
      if (started_) {
        pass_on(number);
      } else {
        // Nothing runs yet that could take it: end as a task does that is signalled before its program starts. What
        // does not mean the end waits for a restore, which may take minutes.
        if (ends_by_default(number)) end_like(number);
        early_.push_back(number);
      }
    }
  }

  void pass_on(int number) { tell(Message(verb::kSignal).add("number", number)); }

  // Whoever has Slurm put this job back has said why before.
  void hear_last_words() {
    while (!started_ && has_message()) take_message();
  }

  bool has_message() const {
    pollfd line{init_.get(), POLLIN, 0};
    return ::poll(&line, 1, 0) > 0 && (line.revents & POLLIN) != 0;
  }

  void reap() {
    int status = 0;
    for (pid_t child; (child = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (child != payload_) continue;
      tell(Message(verb::kExit).add("status", status));
      // Whoever ended it has said why before.
      while (has_message()) {
        const auto received = receive_message(init_.get(), Deadline::in(kInitAnswers));
        if (!received) break;
        if (received->message.verb() == verb::kSay) say(STDOUT_FILENO, received->message);
      }
      end_after_payload(status);
    }
  }

  void take_message() {
    auto received = receive_message(init_.get(), Deadline::in(kInitAnswers));
    if (!received) {
      reap();
      die("the capsule ended: " + received.error().message);
    }
    const Message& message = received->message;
    if (message.verb() == verb::kFresh) {
      start_payload();
    } else if (message.verb() == verb::kRestored) {
      started_ = true;
      for (const int number : early_) pass_on(number);
    } else if (message.verb() == verb::kSay) {
      say(STDOUT_FILENO, message);
    } else if (message.verb() == verb::kExit) {
      end_after_payload(static_cast<int>(message.get_int("status", 0, 0xffff).value_or(0x100)));
    } else if (message.verb() == verb::kRefused) {
      refuse(message);
    }
  }

  // A user who asked for results and does not get them must not be told that all is well.
  [[noreturn]] void end_after_payload(int status) {
    const char* folder = std::getenv("RESULT_FOLDER");
    const char* from = std::getenv("TMPDIR");
    const bool is_script = std::getenv("SLURM_STEP_ID") == nullptr;
    if (status == 0 && is_script && folder != nullptr && *folder != '\0') {
      status = copy_results(from == nullptr || *from == '\0' ? "/tmp" : from, folder);
    }
    wait_for_capsule();
    end_like(status);
  }

  // When its tasks have ended slurmstepd looks whether anything is left of the step, and if so again a second later: so
  // the capsule, which ends by losing us, goes first. Init is our child.
  void wait_for_capsule() {
    init_.reset();
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    const Deadline deadline = Deadline::in(kCapsuleEnds);
    while (!deadline.passed()) {
      const pid_t ended = ::waitpid(-1, nullptr, WNOHANG);
      if (ended < 0) return;
      if (ended > 0) continue;
      const timespec left{deadline.poll_timeout() / 1000, deadline.poll_timeout() % 1000 * 1000000L};
      ::sigtimedwait(&children, nullptr, &left);
    }
  }

  static void say(int fd, const Message& message) {
    for (const auto text : message.get_all("text")) {
      const std::string line = "stasis: " + std::string(text) + "\n";
      (void)!::write(fd, line.data(), line.size());
    }
  }

  // The daemon is away and the job may have a checkpoint: it must not start over, so it is put back, held, by its user.
  [[noreturn]] static void refuse(const Message& message) {
    say(STDERR_FILENO, message);
    const char* job = std::getenv("SLURM_JOB_ID");
    if (message.has("hold") && job != nullptr) {
      const pid_t child = ::fork();
      if (child == 0) {
        reset_signals();
        ::execlp("scontrol", "scontrol", "requeuehold", job, nullptr);
        _exit(127);
      }
      int status = 0;
      if (child > 0) ::waitpid(child, &status, 0);
    }
    _exit(static_cast<int>(message.get_int("code", 0, 255).value_or(1)));
  }

  void start_payload() {
    payload_ = ::fork();
    if (payload_ < 0) die(std::string("fork: ") + std::strerror(errno));
    if (payload_ == 0) become_payload();
    started_ = true;
  }

  // In the capsule: the first process of the tree that will be dumped.
  [[noreturn]] void become_payload() {
    ::setsid();
    // Init learns the pid from the kernel, not from us.
    tell(Message(verb::kBorn));
    init_.reset();
    reopen_stdio();
    std::string anchor = kCapsuleAnchor;
    std::vector<char*> argv{anchor.data()};
    for (char** arg = argv_; *arg != nullptr; ++arg) argv.push_back(*arg);
    argv.push_back(nullptr);
    reset_signals();
    ::setenv(kVariablesVariable, kCapsuleVariables, 1);
    ::execv(kCapsuleAnchor, argv.data());
    die(std::string("execve ") + kCapsuleAnchor + ": " + std::strerror(errno));
  }

  UniqueFd init_;
  char** argv_;
  std::string program_;
  pid_t payload_ = 0;
  bool started_ = false;
  std::vector<int> early_;  // signals that came before the payload
};

}  // namespace
}  // namespace stasis

int main(int argc, char** argv) {
  std::string socket = argc >= 3 ? argv[1] : "";
  char** command = argv + 2;
  if (const char* words = std::getenv(stasis::kShimVariable)) {
    socket = words;
    const auto colon = socket.find(':');
    static std::string program = colon == std::string::npos ? "" : socket.substr(colon + 1);
    socket.resize(std::min(colon, socket.size()));
    ::unsetenv(stasis::kShimVariable);
    command = argv;
    command[0] = program.data();
  }
  int fd = -1;
  std::from_chars(socket.data(), socket.data() + socket.size(), fd);
  int type = 0;
  socklen_t size = sizeof type;
  if (fd < 3 || ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    std::fprintf(stderr, "stasis-shim: is started by Slurm's plugin only\n");
    return 2;
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  stasis::Shim(fd, command).run();
}
