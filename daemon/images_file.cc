// SPDX-License-Identifier: Apache-2.0
#include "daemon/images_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/read_file.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

constexpr std::size_t kLimit = 1 << 30;

}  // namespace

Result<void> write_images_file(int images, const std::string& name, const std::string& text) {
  const UniqueFd file(::openat(images, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create " + name, errno));
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t written = ::write(file.get(), text.data() + at, text.size() - at);
    if (written < 0) return fail(errno_error("write " + name, errno));
    at += static_cast<std::size_t>(written);
  }
  return {};
}

Result<std::string> read_images_file(int images, const std::string& name) {
  return read_file("/proc/self/fd/" + std::to_string(images) + "/" + name, kLimit);
}

}  // namespace stasis
