// SPDX-License-Identifier: Apache-2.0
// 200 threads, each with numbers of its own, that meet at a barrier at every step; some wait on conditions meanwhile.
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "must.h"

enum { kThreads = 200, kSteps = 45 };
static pthread_barrier_t all;
static uint64_t numbers[kThreads];
static __thread uint64_t local;
static pthread_key_t key;

static void* work(void* argument) {
  const long number = (long)argument;
  local = number + 1;
  pthread_setspecific(key, argument);
  // Each has another signal mask.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + number % 20);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  for (int step = 0; step < kSteps; step++) {
    for (int i = 0; i < 20000; i++) local = local * 6364136223846793005u + (uint64_t)(long)pthread_getspecific(key);
    numbers[number] = local;
    pthread_barrier_wait(&all);
    pthread_barrier_wait(&all);
  }
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, NULL, &now);
  return (void*)(long)sigismember(&now, SIGRTMIN + number % 20);
}

int main(void) {
  pthread_t threads[kThreads];
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 << 10);
  pthread_key_create(&key, NULL);
  pthread_barrier_init(&all, NULL, kThreads + 1);
  for (long i = 0; i < kThreads; i++) MUST(pthread_create(&threads[i], &small, work, (void*)i) == 0);
  for (int step = 0; step < kSteps; step++) {
    pthread_barrier_wait(&all);
    uint64_t sum = 0;
    for (int i = 0; i < kThreads; i++) sum ^= numbers[i];
    printf("step %d: %llu\n", step, (unsigned long long)sum);
    fflush(stdout);
    pause_ms(250);
    pthread_barrier_wait(&all);
  }
  long masks = 0;
  for (int i = 0; i < kThreads; i++) {
    void* result;
    pthread_join(threads[i], &result);
    masks += (long)result;
  }
  printf("%ld masks are as they were\n", masks);
}
