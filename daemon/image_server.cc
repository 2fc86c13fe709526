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
#include <future>
#include <thread>
#include <utility>

#include "common/image_segments.h"
#include "common/memory_range.h"
#include "daemon/criu_line.h"
#include "daemon/images_file.h"

namespace stasis {
namespace {

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

Result<ImageServer> ImageServer::listen(int images, ImageProgress& progress) {
  STASIS_LET(UniqueFd listener, listen_for_criu(images, kRestoreSocket));
  return ImageServer(images, std::move(listener), progress);
}

ImageServer::~ImageServer() {
  for (auto& thread : threads_) thread.join();
}

Result<void> ImageServer::hand_over_memory(const std::string& name, int pipe) {
  UniqueFd segment;
  // Giving its memory back takes longer than criu has something to read for.
  std::future<void> removal;
  const auto remove = [&](std::uint64_t number) {
    removal =
        std::async(std::launch::async, [this, &name, number, last = std::exchange(segment, UniqueFd())]() mutable {
          remove_segment(images_, name, number);
          last.reset();
        });
  };
  std::uint64_t sent = 0;
  for (;;) {
    STASIS_LET(const std::uint64_t there, progress_->wait_beyond(name, sent));
    if (there == sent) break;
    while (sent < there) {
      const std::uint64_t number = sent / kSegmentPages, first = sent % kSegmentPages;
      if (!segment) {
        STASIS_LET(segment, open_segment(images_, name, number));
      }
      const std::uint64_t now = std::min(there - sent, kSegmentPages - first);
      STASIS_TRY(send_mapped(segment.get(), pipe, first * kPageSize, now * kPageSize));
      sent += now;
      progress_->have_read(now);
      if (sent % kSegmentPages != 0) continue;
      remove(number);
    }
  }
  remove(sent / kSegmentPages);
  return {};
}

template <class Work>
void ImageServer::in_background(UniqueFd pipe, Work work) {
  // What goes wrong criu sees: its pipe comes to an end too early, and not only when the thread is joined.
  threads_.emplace_back(
      [work = std::move(work)](UniqueFd to) {
        (void)work(to.get());
        to.reset();
      },
      std::move(pipe));
}

Result<void> ImageServer::answer_for_memory(int criu, const std::string& name) {
  const bool exists = progress_->knows(name);
  STASIS_TRY(answer_criu(criu, exists));
  if (!exists) return {};
  STASIS_LET(UniqueFd pipe, receive_pipe(criu));
  if (!had_.insert(name).second) return fail(ErrorKind::unsupported, name + " is wanted twice");
  widen(pipe.get());
  in_background(std::move(pipe), [this, name](int to) { return hand_over_memory(name, to); });
  return {};
}

// false: criu has hung up.
Result<bool> ImageServer::answer(int criu) {
  STASIS_LET(const auto name, hear_of_image(criu));
  if (!name) return false;
  if (is_memory(*name)) {
    STASIS_TRY(answer_for_memory(criu, *name));
    return true;
  }
  auto file = open_images_file(images_, *name);
  if (!file && file.error().kind != ErrorKind::not_found) return fail(file.error());
  STASIS_TRY(answer_criu(criu, file.has_value()));
  if (!file) return true;
  STASIS_LET(UniqueFd pipe, receive_pipe(criu));
  widen(pipe.get());
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) return fail(errno_error("stat " + *name, errno));
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (status.st_size <= ::fcntl(pipe.get(), F_GETPIPE_SZ)) {
    (void)send(file->get(), pipe.get(), 0, size);
  } else {
    in_background(std::move(pipe), [from = std::move(*file), size](int to) { return send(from.get(), to, 0, size); });
  }
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
