// SPDX-License-Identifier: Apache-2.0
#include "common/full_io.h"

#include <unistd.h>

#include <cerrno>
#include <string>

namespace stasis {
namespace {

// `call` takes what is left of the bytes and says how many of them it did.
template <class Byte, class Call>
Result<void> fully(Byte* data, std::size_t size, const char* what, const Call& call) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t now = call(data + done, size - done, done);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return fail(errno_error(what, errno));
    if (now == 0) return fail(ErrorKind::corrupt, std::string(what) + ": there are fewer bytes than that");
    done += static_cast<std::size_t>(now);
  }
  return {};
}

}  // namespace

Result<void> write_fully(int fd, const void* data, std::size_t size, const char* what) {
  return fully(static_cast<const char*>(data), size, what,
               [fd](const char* from, std::size_t left, std::size_t) { return ::write(fd, from, left); });
}

Result<void> write_fully_at(int fd, std::uint64_t offset, const void* data, std::size_t size, const char* what) {
  return fully(static_cast<const char*>(data), size, what, [&](const char* from, std::size_t left, std::size_t done) {
    return ::pwrite(fd, from, left, static_cast<off_t>(offset + done));
  });
}

Result<void> read_fully(int fd, void* data, std::size_t size, const char* what) {
  return fully(static_cast<char*>(data), size, what,
               [fd](char* into, std::size_t left, std::size_t) { return ::read(fd, into, left); });
}

Result<void> read_fully_at(int fd, std::uint64_t offset, void* data, std::size_t size, const char* what) {
  return fully(static_cast<char*>(data), size, what, [&](char* into, std::size_t left, std::size_t done) {
    return ::pread(fd, into, left, static_cast<off_t>(offset + done));
  });
}

}  // namespace stasis
