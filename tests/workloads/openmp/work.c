// SPDX-License-Identifier: Apache-2.0
// Collatz lengths of many numbers, in loops that threads share in different ways.
#include <omp.h>
#include <stdint.h>
#include <stdio.h>

static int length(uint64_t n) {
  int steps = 0;
  for (; n != 1; steps++) n = n % 2 ? 3 * n + 1 : n / 2;
  return steps;
}

int main(void) {
  uint64_t all = 0;
  for (int round = 1; round <= 200; round++) {
    uint64_t sum = 0;
    int most = 0;
    const uint64_t from = 1 + (uint64_t)round * 1000000;
#pragma omp parallel for schedule(dynamic, 1000) reduction(+ : sum) reduction(max : most)
    for (int i = 0; i < 600000; i++) {
      const int l = length(from + i);
      sum += l;
      if (l > most) most = l;
    }
    int tasks = 0;
#pragma omp parallel
#pragma omp single
    for (int i = 0; i < 100; i++) {
#pragma omp task
#pragma omp atomic
      tasks += i;
    }
    all += sum;
    printf("round %d: %llu %d %d, %d threads\n", round, (unsigned long long)sum, most, tasks, omp_get_max_threads());
    fflush(stdout);
  }
  printf("all: %llu\n", (unsigned long long)all);
}
