// SPDX-License-Identifier: Apache-2.0
// stasis-init FD - PID 1 of a capsule, started by Slurm's plugin with its end of the shim's socket as FD.
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>

#include "capsule/init.h"

int main(int argc, char** argv) {
  int fd = -1;
  if (argc == 2) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), fd);
  if (fd < 3 || ::getpid() != 1) {
    std::fprintf(stderr, "stasis-init: is started by Slurm's plugin only\n");
    return 2;
  }
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  stasis::CapsuleInit(stasis::UniqueFd(fd)).run();
}
