// SPDX-License-Identifier: Apache-2.0
// must.h - for programs that print a line per step and end with an error where anything fails.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MUST(what)   \
  do {               \
    if (!(what)) {   \
      perror(#what); \
      exit(1);       \
    }                \
  } while (0)

static inline void pause_ms(long ms) {
  struct timespec left = {ms / 1000, ms % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
}
