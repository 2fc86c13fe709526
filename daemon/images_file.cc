// SPDX-License-Identifier: Apache-2.0
#include "daemon/images_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/full_io.h"
#include "common/read_file.h"

namespace stasis {
namespace {

constexpr std::size_t kLimit = 1 << 30;

}  // namespace

Result<void> write_images_file(int images, const std::string& name, const std::string& text) {
  const UniqueFd file(::openat(images, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create " + name, errno));
  return write_fully(file.get(), text.data(), text.size(), ("write " + name).c_str());
}

Result<std::string> read_images_file(int images, const std::string& name) {
  return read_file("/proc/self/fd/" + std::to_string(images) + "/" + name, kLimit);
}

Result<UniqueFd> new_images_file(int images, const std::string& name) {
  UniqueFd file(::openat(images, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return fail(errno_error("create " + name, errno));
  return file;
}

Result<UniqueFd> nameless_images_file(int images) {
  const std::string name = ".nameless";
  STASIS_LET(UniqueFd file, new_images_file(images, name));
  if (::unlinkat(images, name.c_str(), 0) != 0) return fail(errno_error("remove " + name, errno));
  return file;
}

Result<UniqueFd> open_images_file(int images, const std::string& name) {
  UniqueFd file(::openat(images, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return fail(errno_error("open " + name, errno));
  return file;
}

}  // namespace stasis
