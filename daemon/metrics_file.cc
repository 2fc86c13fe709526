// SPDX-License-Identifier: Apache-2.0
#include "daemon/metrics_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "common/unique_fd.h"

namespace stasis {

Result<void> write_metrics_file(const std::string& path, const std::string& text) {
  // The exporter reads what ends in .prom, and so never this. The directory may be the exporter's own, who is not root:
  // what is at this name is removed, not written through.
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const UniqueFd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file) return fail(errno_error("create " + fresh, errno));
  // Whatever the umask is: the exporter has to read it.
  ::fchmod(file.get(), 0644);
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(file.get(), text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int error = written == 0 ? EIO : errno;
      ::unlink(fresh.c_str());
      return fail(errno_error("write " + fresh, error));
    }
    at += static_cast<std::size_t>(written);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail(errno_error("rename " + fresh, errno));
  return {};
}

}  // namespace stasis
