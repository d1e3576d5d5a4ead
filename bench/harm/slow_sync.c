// harm/slow_sync.c
//
// Preloaded into a PostgreSQL server, it makes every fdatasync and fsync take SLOW_SYNC_US
// microseconds longer: a disk whose cache is flushed slowly. Reads and writes are as they were.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_first(void) {
  const char* text = getenv("SLOW_SYNC_US");
  if (text) usleep((useconds_t)atoi(text));
}

int fdatasync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_first();
  return real(file);
}

int fsync(int file) {
  static int (*real)(int);
  if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_first();
  return real(file);
}
