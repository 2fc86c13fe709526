/* criu_rlimit_shim.c - test bed only: answers CRIU's question for another process's rlimits on machines that lack
 * CAP_SYS_RESOURCE, from /proc/PID/limits. The product knows nothing of it.
 *
 * CRIU asks by syscall(SYS_prlimit64, pid, resource, NULL, &old). Only that call, and only after EPERM, is answered here.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

struct limit64 {
  uint64_t current, maximum;
};

/* /proc/PID/limits lists the resources in the kernel's own numbering, one line each below a heading. */
static long from_proc(long pid, long resource, struct limit64 *out) {
  char path[64], line[256];
  snprintf(path, sizeof path, "/proc/%ld/limits", pid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return -1;
  long row = -1, found = -1;
  while (fgets(line, sizeof line, file) != NULL) {
    if (row++ != resource) continue;
    char current[32], maximum[32];
    /* The name fills 26 columns and contains blanks. */
    if (strlen(line) < 27 || sscanf(line + 26, "%31s %31s", current, maximum) != 2) break;
    out->current = strcmp(current, "unlimited") == 0 ? UINT64_MAX : strtoull(current, NULL, 10);
    out->maximum = strcmp(maximum, "unlimited") == 0 ? UINT64_MAX : strtoull(maximum, NULL, 10);
    found = 0;
    break;
  }
  fclose(file);
  return found;
}

long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  if (result == -1 && errno == EPERM && number == SYS_prlimit64 && a[2] == 0 && a[3] != 0 &&
      from_proc(a[0], a[1], (struct limit64 *)a[3]) == 0)
    return 0;
  return result;
}
