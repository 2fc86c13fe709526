// SPDX-License-Identifier: Apache-2.0
// load - holds memory and changes some of it on demand: load MIB PROCESSES DIRECTORY
//
// Half of the pages are random and half repeat themselves. Each process waits for DIRECTORY/order, two numbers "SERIAL
// PERCENT", changes that share of its pages when the serial is a new one, and leaves DIRECTORY/done.PROCESS.SERIAL.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kPage = 4096, kWord = 8 };

static uint64_t state;
static uint64_t next(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void fill(uint64_t *page, size_t index) {
  if (index % 2 == 0) {
    for (int i = 0; i < kPage / kWord; ++i) page[i] = next();
  } else {
    const uint64_t word = next() % 1000;
    for (int i = 0; i < kPage / kWord; ++i) page[i] = word;
    page[0] = index;
  }
}

static void leave(const char *directory, int process, int serial) {
  char path[4096];
  snprintf(path, sizeof path, "%s/done.%d.%d", directory, process, serial);
  const int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  if (fd >= 0) close(fd);
}

static void serve(size_t pages, int process, const char *directory) {
  uint64_t *memory = mmap(NULL, pages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) exit(1);
  state = 88172645463325252ULL + (uint64_t)process;
  for (size_t i = 0; i < pages; ++i) fill(memory + i * (kPage / kWord), i);
  leave(directory, process, 0);
  char path[4096];
  snprintf(path, sizeof path, "%s/order", directory);
  for (int done = 0;;) {
    int serial = 0, percent = 0;
    FILE *order = fopen(path, "re");
    const int got = order == NULL ? 0 : fscanf(order, "%d %d", &serial, &percent);
    if (order != NULL) fclose(order);
    if (got == 2 && serial > done) {
      done = serial;
      for (size_t i = 0; i < pages; ++i) {
        if (next() % 100 < (uint64_t)percent) fill(memory + i * (kPage / kWord), i);
      }
      leave(directory, process, done);
    }
    nanosleep(&(struct timespec){0, 20000000}, NULL);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  const int processes = atoi(argv[2]);
  const size_t pages = (size_t)atoi(argv[1]) * 1048576 / kPage / (size_t)processes;
  for (int i = 1; i < processes; ++i) {
    if (fork() == 0) serve(pages, i, argv[3]);
  }
  serve(pages, 0, argv[3]);
}
