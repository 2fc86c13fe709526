// SPDX-License-Identifier: Apache-2.0
#include "common/file_tail.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/sha256.h"

namespace stasis {

Result<std::string> tail_digest(int fd, std::uint64_t end) {
  char bytes[4096];
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(end, sizeof bytes));
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::pread(fd, bytes + done, size - done, static_cast<off_t>(end - size + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", errno));
    if (got == 0) return std::string();
    done += static_cast<std::size_t>(got);
  }
  return sha256_hex({bytes, size});
}

}  // namespace stasis
