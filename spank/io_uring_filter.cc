// SPDX-License-Identifier: Apache-2.0
#include "spank/io_uring_filter.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace stasis {
namespace {

// The same number on every architecture, and in the 32-bit mode of those that have one. The x32 mode of amd64 adds a
// bit to it.
constexpr unsigned kIoUringSetup = 425;
constexpr unsigned kX32 = 0x40000000;

}  // namespace

Result<void> deny_io_uring() {
  static_assert(__NR_io_uring_setup == kIoUringSetup);
  // The kernel finds out at once that every other call is allowed whatever its arguments, and does not run this for it.
  std::array<sock_filter, 5> filter{{
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, kIoUringSetup},
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kIoUringSetup | kX32},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
  }};
  sock_fprog program{};
  program.len = filter.size();
  program.filter = filter.data();
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return fail(errno_error("seccomp", errno));
  return {};
}

}  // namespace stasis
