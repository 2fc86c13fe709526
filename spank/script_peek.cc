// SPDX-License-Identifier: Apache-2.0
#include "spank/script_peek.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <thread>
#include <vector>

#include "common/deadline.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

// A pipe's usual capacity.
constexpr std::size_t kPeek = 64 << 10;
constexpr std::chrono::milliseconds kLookEvery{10};

// tee() copies what is in a pipe without taking it out.
std::string peek_pipe(int fd) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {};
  const UniqueFd out(ends[0]);
  const UniqueFd in(ends[1]);
  if (::tee(fd, in.get(), kPeek, SPLICE_F_NONBLOCK) <= 0) return {};
  std::vector<char> bytes(kPeek);
  const ssize_t got = ::read(out.get(), bytes.data(), bytes.size());
  return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
}

std::string peek_socket(int fd) {
  std::vector<char> bytes(kPeek);
  const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK | MSG_DONTWAIT);
  return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
}

// Is there a whole line that is neither blank nor a comment?
bool has_a_command(std::string_view text) {
  for (auto end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line[first] != '#') return true;
    text.remove_prefix(end + 1);
  }
  return false;
}

bool writer_is_done(int fd) {
  pollfd state{fd, POLLIN, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLHUP | POLLRDHUP)) != 0;
}

}  // namespace

std::optional<std::string> peek_script(int fd, std::chrono::milliseconds patience) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) return std::nullopt;
  for (const Deadline deadline = Deadline::in(patience);; std::this_thread::sleep_for(kLookEvery)) {
    const bool done = writer_is_done(fd);
    std::string text = S_ISFIFO(status.st_mode) ? peek_pipe(fd) : peek_socket(fd);
    if (done || has_a_command(text) || text.size() == kPeek) return text;
    if (deadline.passed()) return std::nullopt;
  }
}

}  // namespace stasis
