// SPDX-License-Identifier: Apache-2.0
// Processes take turns by named and unnamed POSIX semaphores, a robust mutex and a condition in shared memory.
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "must.h"

enum { kChildren = 4, kSteps = 12 };

struct Shared {
  sem_t turn[kChildren];
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  long sum;
  int steps;
};

static void child(struct Shared* shared, sem_t* named, int number) {
  for (int step = 0; step < kSteps; step++) {
    MUST(sem_wait(&shared->turn[number]) == 0);
    MUST(sem_wait(named) == 0);
    MUST(pthread_mutex_lock(&shared->mutex) == 0);
    shared->sum = (shared->sum * 31 + number + step) % 1000003;
    shared->steps++;
    printf("child %d, step %d: %ld\n", number, step, shared->sum);
    fflush(stdout);
    pause_ms(120);
    pthread_cond_broadcast(&shared->changed);
    pthread_mutex_unlock(&shared->mutex);
    pause_ms(120);
    MUST(sem_post(named) == 0);
    MUST(sem_post(&shared->turn[(number + 1) % kChildren]) == 0);
  }
  exit(number);
}

int main(void) {
  const int memory = shm_open("/workload", O_RDWR | O_CREAT | O_EXCL, 0600);
  MUST(memory >= 0 && ftruncate(memory, sizeof(struct Shared)) == 0);
  struct Shared* shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  MUST(shared != MAP_FAILED);
  pthread_mutexattr_t mutex;
  pthread_mutexattr_init(&mutex);
  pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&shared->mutex, &mutex);
  pthread_condattr_t condition;
  pthread_condattr_init(&condition);
  pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED);
  pthread_cond_init(&shared->changed, &condition);
  for (int i = 0; i < kChildren; i++) MUST(sem_init(&shared->turn[i], 1, i == 0) == 0);
  sem_t* named = sem_open("/workload", O_CREAT | O_EXCL, 0600, 1);
  MUST(named != SEM_FAILED);
  for (int i = 0; i < kChildren; i++) {
    if (fork() == 0) child(shared, named, i);
  }
  pthread_mutex_lock(&shared->mutex);
  while (shared->steps < kChildren * kSteps) pthread_cond_wait(&shared->changed, &shared->mutex);
  pthread_mutex_unlock(&shared->mutex);
  int status, sum = 0;
  while (wait(&status) > 0) sum += WEXITSTATUS(status);
  printf("all: %ld, %d\n", shared->sum, sum);
  sem_unlink("/workload");
  shm_unlink("/workload");
}
