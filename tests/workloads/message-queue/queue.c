// SPDX-License-Identifier: Apache-2.0
// A process sends, its parent receives.
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
  struct mq_attr attributes = {.mq_maxmsg = 5, .mq_msgsize = 64};
  const mqd_t queue = mq_open("/workload", O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
  if (queue == (mqd_t)-1) return perror("mq_open"), 1;
  if (fork() == 0) {
    char text[64];
    for (int step = 0; step < 50; step++) {
      snprintf(text, sizeof text, "step %d", step);
      if (mq_send(queue, text, strlen(text) + 1, step % 3) != 0) return 1;
      nanosleep(&(struct timespec){0, 250000000}, NULL);
    }
    return 0;
  }
  char text[64];
  for (int step = 0; step < 50; step++) {
    unsigned priority = 0;
    if (mq_receive(queue, text, sizeof text, &priority) < 0) return perror("mq_receive"), 1;
    puts(text);
    fflush(stdout);
  }
  int status = 0;
  wait(&status);
  mq_unlink("/workload");
  return status;
}
