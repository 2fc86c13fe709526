// SPDX-License-Identifier: Apache-2.0
// Large and odd mappings: 64 GiB of which little is used, huge pages, ones without access, locked, growing, not
// inherited, shared.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "must.h"

int main(void) {
  const size_t sparse_size = (size_t)64 << 30, huge_size = 32 << 20, small = 1 << 20;
  const int plain = MAP_PRIVATE | MAP_ANONYMOUS;
  uint64_t* sparse = mmap(NULL, sparse_size, PROT_READ | PROT_WRITE, plain | MAP_NORESERVE, -1, 0);
  char* huge = mmap(NULL, huge_size, PROT_READ | PROT_WRITE, plain, -1, 0);
  char* guarded = mmap(NULL, small, PROT_READ | PROT_WRITE, plain, -1, 0);
  char* locked = mmap(NULL, 1 << 14, PROT_READ | PROT_WRITE, plain, -1, 0);
  char* shared = mmap(NULL, small, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  MUST(ftruncate(file, small) == 0);
  char* of_file = mmap(NULL, small, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  char* copy = mmap(NULL, small, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  MUST(sparse != MAP_FAILED && huge != MAP_FAILED && guarded != MAP_FAILED && locked != MAP_FAILED &&
       shared != MAP_FAILED);
  MUST(of_file != MAP_FAILED && copy != MAP_FAILED);
  MUST(madvise(huge, huge_size, MADV_HUGEPAGE) == 0);
  MUST(mprotect(guarded + small / 2, 4096, PROT_NONE) == 0);
  MUST(mlock(locked, 1 << 14) == 0);
  MUST(madvise(shared, small, MADV_DONTFORK) == 0);
  // Numbers that a page of its own is for; its place in the mapping is a number as well.
  uint64_t place = 1, sum = 0;
  for (int step = 0; step < 48; step++) {
    for (int i = 0; i < 20; i++) {
      place = (place * 6364136223846793005u + 1442695040888963407u);
      sparse[place % (sparse_size / sizeof *sparse)] = place;
    }
    memset(huge + (size_t)step * (huge_size / 48), step + 1, huge_size / 48);
    guarded[step] = locked[step] = shared[step] = of_file[step] = (char)(step + 1);
    copy[4096 + step] = (char)step;
    uint64_t again = 1, found = 0;
    for (int i = 0; i < 20 * (step + 1); i++) {
      again = (again * 6364136223846793005u + 1442695040888963407u);
      found += sparse[again % (sparse_size / sizeof *sparse)] == again;
    }
    for (size_t i = 0; i < huge_size; i += 997) sum = sum * 31 + (unsigned char)huge[i];
    for (size_t i = 0; i < 8192; i++) sum = sum * 31 + guarded[i] + locked[i] + shared[i] + of_file[i] + copy[i];
    printf("step %d: %d found, %llu\n", step, (int)found, (unsigned long long)sum);
    fflush(stdout);
    pause_ms(220);
  }
}
