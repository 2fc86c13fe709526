// SPDX-License-Identifier: Apache-2.0
#include "daemon/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <exception>
#include <filesystem>
#include <string>

#include "common/message_socket.h"

namespace stasis {
namespace {

constexpr char kLost[] = "lost";
constexpr std::chrono::seconds kTell{5};

void close_all_but(const std::vector<int>& keep) {
  std::vector<int> open;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const std::string name = entry.path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (fd > 2 && std::find(keep.begin(), keep.end(), fd) == keep.end()) open.push_back(fd);
  }
  // One of them was the directory's own and is closed already: harmless.
  for (const int fd : open) ::close(fd);
}

[[noreturn]] void be_worker(int socket, std::vector<int> keep, const Workers::Work& work) {
  ::setsid();
  ::prctl(PR_SET_NAME, "stasis-worker");
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  keep.push_back(socket);
  const WorkerLine line(socket);
  try {
    close_all_but(keep);
    line.tell(work(line).add("last", "yes"));
  } catch (const std::exception& error) {
    line.tell(Message(kLost).add("error", error.what()).add("last", "yes"));
  }
  ::_exit(0);
}

}  // namespace

void WorkerLine::tell(const Message& message) const { (void)send_message(socket_, message, Deadline::in(kTell)); }

Result<void> Workers::start(const std::vector<int>& keep, const Work& work, Hear hear) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return fail(errno_error("socketpair", errno));
  UniqueFd ours(pair[0]);
  const UniqueFd theirs(pair[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(errno_error("fork", errno));
  if (child == 0) be_worker(theirs.get(), keep, work);
  const int socket = ours.get();
  running_[socket] = Running{child, std::move(ours), std::move(hear)};
  loop_.watch(socket, [this, socket] { on_readable(socket); });
  return {};
}

void Workers::on_readable(int socket) {
  auto& running = running_.at(socket);
  const auto received = receive_message(socket, Deadline::in(std::chrono::seconds(0)));
  if (!received && received.error().kind == ErrorKind::timed_out) return;
  if (received && !received->message.has("last")) {
    // A copy: hearing may start another worker and move this one.
    const Hear hear = running.hear;
    hear(received->message, false);
    return;
  }
  loop_.unwatch(socket);
  const Hear hear = std::move(running.hear);
  running_.erase(socket);
  hear(received ? received->message : Message(kLost).add("error", "the worker died"), true);
}

void Workers::reap() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace stasis
