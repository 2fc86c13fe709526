// SPDX-License-Identifier: Apache-2.0
// stasis_files.so - makes criu reach the job's files with the job's user's rights, besides its own.
//
// criu looks up by path, as root, every file, directory and mapping of the tree it dumps or restores. Where a file
// server takes root for nobody (NFS with root_squash), it cannot even look into a home directory of mode 0700. What the
// server goes by is the file system uid, and that can be the user's while criu is root in everything else: criu calls
// this once per dump or restore, after it has prepared itself and before it touches a process, and all of its children
// get the same. The capabilities that the change of that uid takes away are taken back, so that root's own files, the
// images among them, stay in reach. The restored processes get all their ids from the images at last, this one
// included.
//
// Whose rights: kFilesAs among the images, written by the daemon (daemon/job_files.h). Without that file criu stays
// what it is.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "common/files_as.h"

// The interface of criu's plugins, version 0.2.0, the same since CRIU 1.6.
extern "C" {
struct CriuPluginDescription {
  const char* name;
  int (*init)(int stage);
  void (*exit)(int stage, int result);
  unsigned int version;
  unsigned int hooks;
};
// The descriptor of the images directory, which criu has put where nothing closes it.
int criu_get_image_dir(void);
}

namespace {

// A page: a user is in some tens of groups, in thousands on no system of ours.
constexpr std::size_t kTextLimit = 1 << 20;
constexpr std::size_t kMostGroups = 65536;

struct Identity {
  uid_t uid;
  gid_t gid;
  std::size_t groups;
};

char text[kTextLimit + 1];
gid_t groups[kMostGroups];

// The next number in the text; false: there is none.
bool next_number(const char*& at, unsigned int& number) {
  char* end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(at, &end, 10);
  if (end == at || errno != 0 || value >= ~0U) return false;
  at = end;
  number = static_cast<unsigned int>(value);
  return true;
}

bool parse(Identity& identity) {
  const char* at = text;
  if (!next_number(at, identity.uid) || !next_number(at, identity.gid)) return false;
  identity.groups = 0;
  while (*at != '\n') {
    if (identity.groups == kMostGroups || !next_number(at, groups[identity.groups])) return false;
    ++identity.groups;
  }
  return identity.uid != 0;
}

// Effective is made all that is permitted.
bool regain_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  for (auto& set : sets) set.effective = set.permitted;
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

bool take(const Identity& identity) {
  if (::syscall(SYS_setgroups, identity.groups, groups) != 0) return false;
  ::setfsgid(identity.gid);
  ::setfsuid(identity.uid);
  // These two tell nothing but the value before.
  return static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))) == identity.gid &&
         static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) == identity.uid && regain_capabilities();
}

int init(int) {
  const int file = ::openat(criu_get_image_dir(), stasis::kFilesAs, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return errno == ENOENT ? 0 : -1;
  const ssize_t size = ::read(file, text, kTextLimit);
  ::close(file);
  if (size <= 0 || text[size - 1] != '\n') return -1;
  text[size] = '\0';
  Identity identity{};
  return parse(identity) && take(identity) ? 0 : -1;
}

}  // namespace

// criu knows it by this name.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" __attribute__((visibility("default"))) CriuPluginDescription CR_PLUGIN_DESC;
CriuPluginDescription CR_PLUGIN_DESC = {"stasis_files", init, nullptr, (0 << 16) + (2 << 8) + 0, 0};
// NOLINTEND(readability-identifier-naming)
