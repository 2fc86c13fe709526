// SPDX-License-Identifier: Apache-2.0
#include "daemon/process_signal.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/unique_fd.h"

namespace stasis {

// Root signals here. What the descriptor names is looked at once more: the pid may be a stranger's since it was found,
// but no stranger has that pid in the capsule as well.
bool signal_process(const CapsuleProcess& process, int number) {
  const UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.host, 0)));
  if (!fd) return false;
  const auto status = read_proc_status(process.host);
  if (!status || status->pids.empty() || status->pids.back() != process.inside) return false;
  return ::syscall(SYS_pidfd_send_signal, fd.get(), number, nullptr, 0) == 0;
}

bool has_ended(pid_t host) {
  const auto stat = read_proc_stat(host);
  return !stat || stat->state == 'Z' || stat->state == 'X';
}

bool is_stopped(pid_t host) {
  const auto stat = read_proc_stat(host);
  return stat && stat->state == 'T';
}

}  // namespace stasis
