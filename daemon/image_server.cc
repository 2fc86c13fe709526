// SPDX-License-Identifier: Apache-2.0
#include "daemon/image_server.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "common/memory_range.h"
#include "daemon/criu_line.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

// Pages. What is mapped counts as memory of ours.
constexpr std::uint64_t kMappedAtOnce = 4096;

bool is_memory(const std::string& image) { return image.starts_with("pages-"); }

// Criu may close its end before: then it wants no more.
Result<void> send(int file, int pipe, std::uint64_t at, std::uint64_t size) {
  for (auto from = static_cast<loff_t>(at); size > 0;) {
    const ssize_t moved = ::splice(file, &from, pipe, nullptr, size, SPLICE_F_MOVE | SPLICE_F_MORE);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0) return fail(errno_error("hand over an image", errno));
    if (moved == 0) return fail(ErrorKind::lost, "an image is shorter than it was");
    size -= static_cast<std::uint64_t>(moved);
  }
  return {};
}

// Waits until half of the pipe is free. Criu reads page by page where processes have pages in common; who filled the
// pipe again after each of these would be woken a quarter of a million times for a gigabyte.
void wait_for_room(int pipe) {
  constexpr std::chrono::microseconds kNap{100}, kLongestNap{20000};
  const int room = ::fcntl(pipe, F_GETPIPE_SZ);
  int timeout = -1;
  for (auto nap = kNap;; nap = std::min(2 * nap, kLongestNap)) {
    pollfd wait{pipe, POLLOUT, 0};
    const int ready = ::poll(&wait, 1, timeout);
    if (ready < 0 && errno != EINTR) return;
    int left = 0;
    if ((wait.revents & POLLERR) != 0 || ::ioctl(pipe, FIONREAD, &left) != 0 || left <= room / 2) return;
    timeout = 0;
    std::this_thread::sleep_for(nap);
  }
}

// The same of a file that others are writing to: on XFS, reading would wait for each of their writes to end, and on
// pages that are mapped nobody waits.
Result<void> send_mapped(int file, int pipe, std::uint64_t at, std::uint64_t size) {
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, static_cast<off_t>(at));
  // There are file systems that cannot.
  if (mapped == MAP_FAILED) return send(file, pipe, at, size);
  Result<void> sent;
  for (iovec left{mapped, size}; left.iov_len > 0;) {
    const ssize_t moved = ::vmsplice(pipe, &left, 1, SPLICE_F_NONBLOCK);
    if (moved < 0 && errno == EINTR) continue;
    if (moved < 0 && errno == EAGAIN) {
      wait_for_room(pipe);
      continue;
    }
    if (moved <= 0) {
      sent = fail(errno_error("hand over an image", moved == 0 ? EIO : errno));
      break;
    }
    left.iov_base = static_cast<char*>(left.iov_base) + moved;
    left.iov_len -= static_cast<std::size_t>(moved);
  }
  ::munmap(mapped, size);
  return sent;
}

}  // namespace

Result<ImageServer> ImageServer::listen(int images, const ImageProgress& progress) {
  STASIS_LET(UniqueFd listener, listen_for_criu(images, kRestoreSocket));
  return ImageServer(images, std::move(listener), progress);
}

ImageServer::~ImageServer() {
  for (auto& thread : threads_) thread.join();
}

Result<void> ImageServer::hand_over(const std::string& name, int file, int pipe) const {
  if (is_memory(name)) {
    for (std::uint64_t sent = 0;;) {
      STASIS_LET(const std::uint64_t there, progress_->wait_beyond(name, sent));
      if (there == sent) return {};
      const std::uint64_t now = std::min(there - sent, kMappedAtOnce);
      STASIS_TRY(send_mapped(file, pipe, sent * kPageSize, now * kPageSize));
      sent += now;
    }
  }
  struct stat status {};
  if (::fstat(file, &status) != 0) return fail(errno_error("stat " + name, errno));
  return send(file, pipe, 0, static_cast<std::uint64_t>(status.st_size));
}

// false: criu has hung up.
Result<bool> ImageServer::answer(int criu) {
  STASIS_LET(const auto name, hear_of_image(criu));
  if (!name) return false;
  auto file = open_images_file(images_, *name);
  if (!file && file.error().kind != ErrorKind::not_found) return fail(file.error());
  STASIS_TRY(answer_criu(criu, file.has_value()));
  if (!file) return true;
  STASIS_LET(UniqueFd pipe, receive_pipe(criu));
  widen(pipe.get());
  const int room = ::fcntl(pipe.get(), F_GETPIPE_SZ);
  struct stat status {};
  const bool fits = ::fstat(file->get(), &status) == 0 && status.st_size <= room && !is_memory(*name);
  // What goes wrong criu sees: its pipe comes to an end too early.
  if (fits) {
    (void)hand_over(*name, file->get(), pipe.get());
    return true;
  }
  threads_.emplace_back(
      [this, name = *name](const UniqueFd& from, UniqueFd to) {
        (void)hand_over(name, from.get(), to.get());
        // Now, and not when the thread is joined.
        to.reset();
      },
      std::move(*file), std::move(pipe));
  return true;
}

Result<void> ImageServer::serve(int over) {
  // Criu may not want all of an image. The threads inherit this.
  sigset_t broken_pipe;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  for (UniqueFd criu;;) {
    pollfd waits[] = {{criu ? criu.get() : listener_.get(), POLLIN, 0}, {over, POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return fail(errno_error("poll", errno));
    if (waits[1].revents != 0) return {};
    if (waits[0].revents == 0) continue;
    if (!criu) {
      STASIS_LET(criu, accept_criu(listener_.get()));
      continue;
    }
    STASIS_LET(const bool more, answer(criu.get()));
    if (!more) return {};
  }
}

}  // namespace stasis
