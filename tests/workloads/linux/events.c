// SPDX-License-Identifier: Apache-2.0
// One loop over a timerfd, an eventfd, a signalfd, an inotify descriptor and a pipe, by epoll.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "must.h"

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGRTMIN + 3);
  MUST(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  MUST(mkdir("watched", 0755) == 0 && mkdir("/tmp/watched", 0755) == 0);
  int pipes[2];
  MUST(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  const int event = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK);
  const int signals = signalfd(-1, &set, SFD_NONBLOCK);
  const int watch = inotify_init1(IN_NONBLOCK);
  MUST(inotify_add_watch(watch, "watched", IN_CREATE | IN_DELETE) > 0);
  MUST(inotify_add_watch(watch, "/tmp/watched", IN_CREATE) > 0);
  const int poll = epoll_create1(0);
  const int all[] = {timer, event, signals, watch, pipes[0]};
  for (int i = 0; i < 5; i++) {
    struct epoll_event wanted = {.events = i == 4 ? EPOLLIN | EPOLLET : EPOLLIN, .data.u32 = i};
    MUST(epoll_ctl(poll, EPOLL_CTL_ADD, all[i], &wanted) == 0);
  }
  const struct itimerspec every = {{0, 250000000}, {0, 250000000}};
  MUST(timerfd_settime(timer, 0, &every, NULL) == 0);

  for (int step = 0; step < 48;) {
    struct epoll_event got[8];
    const int count = epoll_wait(poll, got, 8, -1);
    for (int i = 0; i < count; i++) {
      if (got[i].data.u32 != 0) continue;
      uint64_t ticks;
      MUST(read(timer, &ticks, sizeof ticks) == sizeof ticks);
      // The timer is all that drives it; the others are asked what it brought about.
      step++;
      const uint64_t three = 3;
      MUST(write(event, &three, sizeof three) == sizeof three);
      kill(getpid(), SIGUSR1);
      sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = step});
      int seen = 0;
      char name[64];
      for (int place = 0; place < 2; place++) {
        snprintf(name, sizeof name, "%swatched/%d", place ? "/tmp/" : "", step);
        close(open(name, O_CREAT | O_WRONLY, 0644));
        if (!place) unlink(name);
      }
      // Read at once: CRIU carries the watches, but not what was seen and not read yet.
      char events[4096], text[8] = "";
      ssize_t length;
      while ((length = read(watch, events, sizeof events)) > 0) {
        for (char* at = events; at < events + length;
             at += sizeof(struct inotify_event) + ((struct inotify_event*)at)->len)
          seen++;
      }
      MUST(write(pipes[1], "pipe", 4) == 4);
      // A while of waiting in which all others have something pending.
      pause_ms(100);
      int tokens = 0, queued = 0, user = 0;
      uint64_t token;
      while (read(event, &token, sizeof token) == sizeof token) tokens += (int)token;
      struct signalfd_siginfo info;
      while (read(signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGUSR1) user++;
        if (info.ssi_signo == (uint32_t)SIGRTMIN + 3) queued = info.ssi_int;
      }
      MUST(read(pipes[0], text, sizeof text) == 4);
      printf("step %d: %d tokens, signal %d with %d, %d changes, %s\n", step, tokens, user, queued, seen, text);
      fflush(stdout);
    }
  }
}
