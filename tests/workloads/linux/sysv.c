// SPDX-License-Identifier: Apache-2.0
// System V shared memory, semaphores with undo, and message queues, between processes.
#include <errno.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "must.h"

struct Message {
  long type;
  char text[60];
};

static void change(int set, int number, int by) {
  struct sembuf one = {(unsigned short)number, (short)by, 0};
  int result;
  // Linux starts it again after no stop, be it of SIGSTOP's, a debugger's or a checkpoint's: see signal(7).
  while ((result = semop(set, &one, 1)) != 0 && errno == EINTR) {
  }
  MUST(result == 0);
}

int main(void) {
  const int shared = shmget(0x5ca1ab1e, 1 << 20, IPC_CREAT | IPC_EXCL | 0600);
  const int semaphores = semget(IPC_PRIVATE, 3, 0600);
  const int queue = msgget(0x5ca1ab1e, IPC_CREAT | IPC_EXCL | 0600);
  MUST(shared >= 0 && semaphores >= 0 && queue >= 0);
  long* numbers = shmat(shared, NULL, 0);
  MUST(numbers != (void*)-1);
  MUST(semctl(semaphores, 0, SETVAL, 0) == 0 && semctl(semaphores, 1, SETVAL, 0) == 0 &&
       semctl(semaphores, 2, SETVAL, 5) == 0);
  if (fork() == 0) {
    long* its = shmat(shared, NULL, SHM_RDONLY);
    for (int step = 0; step < 48; step++) {
      change(semaphores, 0, -1);
      long sum = 0;
      for (int i = 0; i < 1000; i++) sum += its[i];
      struct Message message = {1 + step % 3, ""};
      snprintf(message.text, sizeof message.text, "step %d: %ld", step, sum);
      MUST(msgsnd(queue, &message, sizeof message.text, 0) == 0);
      change(semaphores, 1, 1);
    }
    return 4;
  }
  // Messages that stay in the queue for the whole time.
  for (int i = 0; i < 5; i++) {
    struct Message message = {100 + i, ""};
    snprintf(message.text, sizeof message.text, "kept %d", i);
    MUST(msgsnd(queue, &message, sizeof message.text, 0) == 0);
  }
  for (int step = 0; step < 48; step++) {
    for (int i = 0; i < 1000; i++) numbers[i] = numbers[i] * 31 % 1000003 + i + step;
    change(semaphores, 0, 1);
    change(semaphores, 1, -1);
    struct Message message;
    MUST(msgrcv(queue, &message, sizeof message.text, -50, 0) > 0);
    printf("%s, %d, %d\n", message.text, semctl(semaphores, 2, GETVAL), shmget(0x5ca1ab1e, 0, 0) == shared);
    fflush(stdout);
    pause_ms(250);
  }
  for (int i = 0; i < 5; i++) {
    struct Message message;
    MUST(msgrcv(queue, &message, sizeof message.text, 100 + i, 0) > 0);
    puts(message.text);
  }
  int status;
  wait(&status);
  printf("the child ended with %d\n", WEXITSTATUS(status));
  shmctl(shared, IPC_RMID, NULL);
  semctl(semaphores, 0, IPC_RMID);
  msgctl(queue, IPC_RMID, NULL);
}
