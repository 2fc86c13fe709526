// SPDX-License-Identifier: Apache-2.0
#include "common/file_identity.h"

#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace stasis {
namespace {

// glibc's setgroups() would change every thread of the process.
bool set_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data()) == 0;
}

std::vector<gid_t> current_groups() {
  std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
  groups.resize(static_cast<std::size_t>(::getgroups(static_cast<int>(groups.size()), groups.data())));
  return groups;
}

}  // namespace

ActingAs::ActingAs(const FileIdentity& identity)
    : uid_(static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1)))),
      gid_(static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1)))),
      groups_(current_groups()) {
  const int before = errno;
  // Groups and group first: setfsuid() takes the rights away that they need. These calls report nothing, and going on
  // with root's rights would be the one thing this class is there to prevent.
  const bool root = ::geteuid() == 0;
  if (root && !set_groups(identity.groups)) std::abort();
  ::setfsgid(identity.gid);
  ::setfsuid(identity.uid);
  if (root && static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) != identity.uid) std::abort();
  errno = before;
}

ActingAs::~ActingAs() {
  const int before = errno;
  ::setfsuid(uid_);
  ::setfsgid(gid_);
  if (::geteuid() == 0) (void)set_groups(groups_);
  errno = before;
}

}  // namespace stasis
