/* Faults at exact moments, for a process that has this library preloaded.
 *
 * Tests that wait for a moment by the clock miss it on a slow machine. Here the process itself says
 * when: at so many calls that change files, or at so many writes to a file of a name. Nor does a
 * limit of memory depend on what else takes memory: single requests above a size are refused.
 *
 *   ALMT_FAULT_KILL_CALL=N        before the Nth call that changes a file; of a write, half is done
 *   ALMT_FAULT_KILL_WRITE=NAME:N  in the Nth write to files whose path contains that, half of it done
 *   ALMT_FAULT_STOP_WRITE=NAME:N  before that write, and the process is only stopped
 *   ALMT_FAULT_REFUSE=BYTES       aligned memory of more than that is refused
 *   ALMT_FAULT_COUNT=FILE         at the end, writes there "CALLS LARGEST": how many such calls there
 *                                 were, and the most aligned memory asked for at once
 *
 * Calls about files whose path contains `state.safetensors` are not counted: a run decides by the
 * clock when it saves its state. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct moment {
  char name[64];
  long at;
  atomic_long n;
};

static atomic_long n_calls, largest;
static long kill_call, refuse;
static struct moment kill_write, stop_write;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static long number(const char *variable) {
  const char *text = getenv(variable);
  return text ? atol(text) : 0;
}

static void moment(const char *variable, struct moment *moment) {
  const char *text = getenv(variable), *colon = text ? strrchr(text, ':') : NULL;
  if (!colon || colon - text >= (long)sizeof moment->name) return;
  memcpy(moment->name, text, colon - text);
  moment->at = atol(colon + 1);
}

__attribute__((constructor)) static void begin(void) {
  kill_call = number("ALMT_FAULT_KILL_CALL");
  refuse = number("ALMT_FAULT_REFUSE");
  moment("ALMT_FAULT_KILL_WRITE", &kill_write);
  moment("ALMT_FAULT_STOP_WRITE", &stop_write);
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("ALMT_FAULT_COUNT");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  fprintf(file, "%ld %ld\n", atomic_load(&n_calls), atomic_load(&largest));
  fclose(file);
}

static void die(void) {
  raise(SIGKILL);
  for (;;) pause();
}

/* Whether this call is the one to die at. */
static int call(const char *path) {
  if (path && strstr(path, "state.safetensors")) return 0;
  return atomic_fetch_add(&n_calls, 1) + 1 == kill_call;
}

static int is_at(struct moment *moment, const char *path) {
  if (!moment->at || !strstr(path, moment->name)) return 0;
  return atomic_fetch_add(&moment->n, 1) + 1 == moment->at;
}

/* The path that is open as `fd`. */
static void path_of(int fd, char path[static 4096]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  path[length < 0 ? 0 : length] = 0;
}

/* Whether half of this write is to be done, and then the process to die. */
static int writes(int fd) {
  char path[4096];
  if (fd == STDOUT_FILENO || fd == STDERR_FILENO) return 0;
  path_of(fd, path);
  if (is_at(&stop_write, path)) raise(SIGSTOP);
  return is_at(&kill_write, path) || call(path);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  static ssize_t (*next)(int, const void *, size_t);
  if (!next) next = real("write");
  if (writes(fd)) {
    next(fd, bytes, n / 2);
    die();
  }
  return next(fd, bytes, n);
}

#define PWRITE(NAME, OFFSET)                                            \
  ssize_t NAME(int fd, const void *bytes, size_t n, OFFSET offset) {    \
    static ssize_t (*next)(int, const void *, size_t, OFFSET);          \
    if (!next) next = real(#NAME);                                      \
    if (writes(fd)) {                                                   \
      next(fd, bytes, n / 2, offset);                                   \
      die();                                                            \
    }                                                                   \
    return next(fd, bytes, n, offset);                                  \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define OPEN(NAME)                                                      \
  int NAME(const char *path, int flags, ...) {                          \
    static int (*next)(const char *, int, ...);                         \
    if (!next) next = real(#NAME);                                      \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                       \
    if (flags & (O_WRONLY | O_RDWR) && call(path)) die();               \
    return next(path, flags, mode);                                     \
  }
OPEN(open)
OPEN(open64)

#define ON_PATH(NAME, PARAMETERS, ARGUMENTS)                            \
  int NAME PARAMETERS {                                                 \
    static int (*next) PARAMETERS;                                      \
    if (!next) next = real(#NAME);                                      \
    if (call(path)) die();                                              \
    return next ARGUMENTS;                                              \
  }
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rmdir, (const char *path), (path))
ON_PATH(rename, (const char *path, const char *to), (path, to))

int unlinkat(int folder, const char *path, int flags) {
  static int (*next)(int, const char *, int);
  if (!next) next = real("unlinkat");
  char within[4096] = "";
  if (folder != AT_FDCWD) path_of(folder, within);
  if (call(strstr(within, "state.safetensors") ? within : path)) die();
  return next(folder, path, flags);
}

int posix_memalign(void **place, size_t alignment, size_t n) {
  static int (*next)(void **, size_t, size_t);
  if (!next) next = real("posix_memalign");
  long before = atomic_load(&largest);
  while ((long)n > before && !atomic_compare_exchange_weak(&largest, &before, (long)n)) {
  }
  return refuse && (long)n > refuse ? ENOMEM : next(place, alignment, n);
}
