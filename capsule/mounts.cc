// SPDX-License-Identifier: Apache-2.0
#include "capsule/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "common/paths.h"
#include "common/protocol.h"
#include "common/unique_fd.h"

namespace stasis {
namespace {

Result<void> make_mount(const char* source, const char* target, const char* type, unsigned long flags,
                        const char* options) {
  if (::mount(source, target, type, flags, options) == 0) return {};
  return fail(errno_error(std::string("mount ") + target, errno));
}

// On the node's own /tmp, so that the job's temporary files are on the disk that the site meant for them. The holder is
// closed to everybody but root: what is inside can only be reached through the capsule.
Result<std::string> private_tmp() {
  char holder[] = "/tmp/.stasis-XXXXXX";
  if (::mkdtemp(holder) == nullptr) return fail(errno_error(std::string("mkdtemp ") + holder, errno));
  const std::string inside = std::string(holder) + "/tmp";
  if (::mkdir(inside.c_str(), 0700) != 0) return fail(errno_error("mkdir " + inside, errno));
  // Not through mkdir: the umask would have its say.
  if (::chmod(inside.c_str(), 01777) != 0) return fail(errno_error("chmod " + inside, errno));
  STASIS_TRY(make_mount(inside.c_str(), "/tmp", nullptr, MS_BIND, nullptr));
  return std::string(holder);
}

// A terminal comes back with the number it had, and on the node that number may be another's by then: an open ssh
// session has one. Whoever opens /dev/ptmx finds them beside it, whether it is a device or a link to pts/ptmx; only one
// that is mounted there by itself would lead to the node's.
Result<void> private_terminals() {
  // As systemd mounts it; 5 is the group tty everywhere.
  STASIS_TRY(make_mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5"));
  struct stat ptmx {
  }, dev{}, pts{};
  if (::stat("/dev/ptmx", &ptmx) != 0 || ::stat("/dev", &dev) != 0 || ::stat("/dev/pts", &pts) != 0) return {};
  if (ptmx.st_dev == dev.st_dev || ptmx.st_dev == pts.st_dev) return {};
  return make_mount("/dev/pts/ptmx", "/dev/ptmx", nullptr, MS_BIND, nullptr);
}

}  // namespace

Result<CapsuleMounts> make_capsule_mounts(bool keep_tmp) {
  constexpr unsigned long kPlain = MS_NOSUID | MS_NODEV;
  CapsuleMounts mounts;
  STASIS_TRY(make_mount("proc", "/proc", "proc", kPlain | MS_NOEXEC, nullptr));
  STASIS_TRY(private_terminals());
  if (!keep_tmp) {
    STASIS_LET(mounts.tmp_holder, private_tmp());
    STASIS_TRY(make_mount("tmpfs", "/dev/shm", "tmpfs", kPlain, "mode=1777"));
  }
  if (::mkdir(kCapsuleDir, 0755) != 0 && errno != EEXIST) {
    return fail(errno_error(std::string("mkdir ") + kCapsuleDir, errno));
  }
  STASIS_TRY(make_mount("tmpfs", kCapsuleDir, "tmpfs", kPlain, "mode=0755,size=8m"));
  const UniqueFd anchor(::open(kAnchorProgram, O_RDONLY | O_CLOEXEC));
  if (!anchor) return fail(errno_error(std::string("open ") + kAnchorProgram, errno));
  STASIS_TRY(install_anchor(anchor.get()));
  return mounts;
}

Result<void> install_variables(const std::string& text) {
  const UniqueFd out(::open(kCapsuleVariables, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0444));
  if (!out || ::fchmod(out.get(), 0444) != 0)
    return fail(errno_error(std::string("create ") + kCapsuleVariables, errno));
  if (::write(out.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) return {};
  return fail(errno_error(std::string("write ") + kCapsuleVariables, errno));
}

Result<void> install_anchor(int source) {
  const std::string fresh = std::string(kCapsuleAnchor) + ".new";
  struct stat status {};
  if (::fstat(source, &status) != 0) return fail(errno_error("stat the anchor", errno));
  UniqueFd out(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0555));
  if (!out) return fail(errno_error("create " + fresh, errno));
  off_t offset = 0;
  while (offset < status.st_size) {
    const ssize_t sent = ::sendfile(out.get(), source, &offset, static_cast<std::size_t>(status.st_size - offset));
    if (sent <= 0) return fail(errno_error("write " + fresh, sent == 0 ? EIO : errno));
  }
  if (::fchmod(out.get(), 0555) != 0) return fail(errno_error("chmod " + fresh, errno));
  // Open for writing it could not be executed.
  out.reset();
  if (::rename(fresh.c_str(), kCapsuleAnchor) != 0) return fail(errno_error("rename " + fresh, errno));
  return {};
}

}  // namespace stasis
