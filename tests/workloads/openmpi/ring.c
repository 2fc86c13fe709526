// SPDX-License-Identifier: Apache-2.0
// Numbers go round a ring, in messages small and large, with collective operations in between.
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { kSteps = 60, kLarge = 1 << 17 };

int main(int argc, char** argv) {
  int rank, size;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const int next = (rank + 1) % size, previous = (rank + size - 1) % size;
  uint64_t* mine = calloc(kLarge, sizeof *mine);
  uint64_t* got = calloc(kLarge, sizeof *got);
  for (int i = 0; i < kLarge; i++) mine[i] = (uint64_t)i * (rank + 1);
  for (int step = 1; step <= kSteps; step++) {
    for (int round = 0; round < 20; round++) {
      const int count = round % 2 ? kLarge : 4;
      MPI_Sendrecv(mine, count, MPI_UINT64_T, next, round, got, count, MPI_UINT64_T, previous, round, MPI_COMM_WORLD,
                   MPI_STATUS_IGNORE);
      for (int i = 0; i < count; i++) mine[i] = got[i] * 31 + step;
    }
    uint64_t sum = 0, all = 0;
    for (int i = 0; i < kLarge; i++) sum += mine[i];
    MPI_Allreduce(&sum, &all, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    MPI_Alltoall(mine, 16, MPI_UINT64_T, got, 16, MPI_UINT64_T, MPI_COMM_WORLD);
    mine[rank] += got[0];
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) {
      printf("step %d: %llu of %d ranks\n", step, (unsigned long long)all, size);
      fflush(stdout);
      nanosleep(&(struct timespec){0, 200000000}, NULL);
    }
  }
  MPI_Finalize();
}
