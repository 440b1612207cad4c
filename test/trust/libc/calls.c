/*
 * Stands between Node and the C library, in a process that is started with LD_PRELOAD: records every
 * call that changes a file below one folder, and makes chosen calls on such files fail.
 *
 *   DLV_CALLS_UNDER   the folder, absolute; calls on other files are passed on unseen
 *   DLV_CALLS_LOG     file that records are appended to; none is kept without it
 *   DLV_CALLS_PLAN    file of sizeof(struct plan) bytes, mapped and shared: which call fails how
 *   DLV_CALLS_NOSYNC  fsync and fdatasync do nothing: for faults no power is cut
 *
 * One mutex orders all calls that change something, so the log has the order in which they took
 * effect, whichever thread made them. Calls that failed are not recorded. test/trust/libc/calls.ts
 * compiles this file and reads the log; struct plan and the records are described there, too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Kinds of calls that can fail. */
enum kind {
  KIND_OPEN,
  KIND_READ,
  KIND_WRITE,
  KIND_FSYNC,
  KIND_TRUNCATE,
  KIND_RENAME,
  KIND_LINK,
  KIND_UNLINK,
  KIND_MKDIR,
  KIND_RMDIR,
  KIND_LIST,
  KIND_STAT,
  KIND_CLOSE,
  KIND_COUNT,
};

enum action { ACTION_ERRNO, ACTION_SHORT, ACTION_ERRNO_FROM };

struct plan {
  uint32_t armed;
  uint32_t kind;
  uint32_t action;
  int32_t error;
  uint32_t n;         /* the call of that kind that fails, from 1 */
  uint32_t hits;      /* calls that failed */
  uint32_t calls[KIND_COUNT]; /* calls of each kind since the plan was armed */
  char hit_path[480]; /* file of the first call that failed */
};

/* Records of the log. */
enum op {
  OP_OPEN = 1,
  OP_WRITE,
  OP_FSYNC,
  OP_TRUNCATE,
  OP_RENAME,
  OP_LINK,
  OP_UNLINK,
  OP_MKDIR,
  OP_RMDIR,
  OP_SYMLINK,
  OP_STDOUT,
};

enum flags { FLAG_CREATED = 1, FLAG_TRUNCATED = 2, FLAG_DIRECTORY = 4 };

struct record {
  uint32_t bytes; /* of all that follows the record */
  uint8_t op;
  uint8_t flags;
  uint16_t mode;
  int32_t fd;
  uint32_t path_bytes;
  uint32_t path2_bytes;
  uint32_t reserved;
  int64_t offset;
};

#define FD_MAX 65536

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *under;
static size_t under_bytes;
static int log_fd = -1;
static int no_sync;
static struct plan *plan;
static uint8_t tracked[FD_MAX]; /* is this descriptor a file below the folder? */

/* The next function of that name: the C library's. */
#define NEXT(type, name, ...)       \
  static type (*next)(__VA_ARGS__); \
  pthread_once(&once, initialise);  \
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, name)

static void initialise(void) {
  int (*open_next)(const char *, int, ...);
  *(void **)&open_next = dlsym(RTLD_NEXT, "open");
  under = getenv("DLV_CALLS_UNDER");
  if (!under) return;
  under_bytes = strlen(under);
  no_sync = getenv("DLV_CALLS_NOSYNC") != NULL;
  const char *log = getenv("DLV_CALLS_LOG");
  if (log) log_fd = open_next(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const char *file = getenv("DLV_CALLS_PLAN");
  if (!file) return;
  int fd = open_next(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (map != MAP_FAILED) plan = map;
}

static int is_under(const char *path) {
  pthread_once(&once, initialise);
  if (!under || !path) return 0;
  char full[PATH_MAX];
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return 0;
    if (snprintf(full, sizeof full, "%s/%s", here, path) >= (int)sizeof full) return 0;
    path = full;
  }
  if (strncmp(path, under, under_bytes) != 0) return 0;
  return path[under_bytes] == '/' || path[under_bytes] == 0;
}

static void lock(void) { pthread_mutex_lock(&mutex); }

/* Unlocks and leaves errno as the call left it. */
static void unlock(void) {
  int error = errno;
  pthread_mutex_unlock(&mutex);
  errno = error;
}

static void name_of(int fd, char *path, size_t bytes) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, bytes - 1);
  path[length < 0 ? 0 : length] = 0;
}

static int is_tracked(int fd) {
  pthread_once(&once, initialise);
  return fd >= 0 && fd < FD_MAX && tracked[fd];
}

/* Counts a call. Returns 1 if it has to fail: errno is set then. */
static int fails(enum kind kind, const char *path, int fd) {
  if (!plan || !plan->armed) return 0;
  uint32_t call = __atomic_add_fetch(&plan->calls[kind], 1, __ATOMIC_SEQ_CST);
  if (plan->kind != (uint32_t)kind) return 0;
  int is_hit = plan->action == ACTION_ERRNO_FROM ? call >= plan->n : call == plan->n;
  if (!is_hit) return 0;
  if (__atomic_fetch_add(&plan->hits, 1, __ATOMIC_SEQ_CST) == 0) {
    if (path) snprintf(plan->hit_path, sizeof plan->hit_path, "%s", path);
    else name_of(fd, plan->hit_path, sizeof plan->hit_path);
  }
  errno = plan->error;
  return 1;
}

/* After fails(): does the call move some bytes instead of failing? */
static int is_short(void) { return plan->action == ACTION_SHORT; }

static size_t half(size_t bytes) { return bytes > 1 ? bytes / 2 : bytes; }

/* Appends a record; the caller holds the mutex. Leaves errno alone. */
static void record(enum op op, int fd, const char *path, const char *path2, const void *data,
                   size_t data_bytes, int64_t offset, int flags, int mode) {
  static ssize_t (*next)(int, const struct iovec *, int);
  if (log_fd < 0) return;
  if (!next) *(void **)&next = dlsym(RTLD_NEXT, "writev");
  int error = errno;
  char here[PATH_MAX] = "";
  size_t here_bytes = 0;
  if (path && path[0] != '/' && getcwd(here, sizeof here - 1)) {
    here_bytes = strlen(here);
    here[here_bytes++] = '/';
  }
  size_t path_bytes = path ? strlen(path) : 0, path2_bytes = path2 ? strlen(path2) : 0;
  struct record head = {
      .bytes = (uint32_t)(here_bytes + path_bytes + path2_bytes + data_bytes),
      .op = op,
      .flags = (uint8_t)flags,
      .mode = (uint16_t)(mode & 07777),
      .fd = fd,
      .path_bytes = (uint32_t)(here_bytes + path_bytes),
      .path2_bytes = (uint32_t)path2_bytes,
      .offset = offset,
  };
  struct iovec parts[] = {{&head, sizeof head},
                          {here, here_bytes},
                          {(void *)path, path_bytes},
                          {(void *)path2, path2_bytes},
                          {(void *)data, data_bytes}};
  /* A log that is not whole proves nothing: the process must not go on. */
  if (next(log_fd, parts, 5) != (ssize_t)(sizeof head + head.bytes)) abort();
  errno = error;
}

/* ---- opening and closing ---- */

static int open_file(const char *path, int flags, mode_t mode) {
  NEXT(int, "open64", const char *, int, ...);
  if (!is_under(path)) {
    int fd = next(path, flags, mode);
    if (fd >= 0 && fd < FD_MAX) tracked[fd] = 0;
    return fd;
  }
  lock();
  if (fails(KIND_OPEN, path, -1)) {
    unlock();
    return -1;
  }
  int created = (flags & O_CREAT) && access(path, F_OK) != 0;
  int fd = next(path, flags, mode);
  if (fd >= 0) {
    struct stat stat = {0};
    fstat(fd, &stat);
    if (fd < FD_MAX) tracked[fd] = 1;
    record(OP_OPEN, fd, path, NULL, NULL, 0, 0,
           (created ? FLAG_CREATED : 0) | ((flags & O_TRUNC) ? FLAG_TRUNCATED : 0) |
               (S_ISDIR(stat.st_mode) ? FLAG_DIRECTORY : 0),
           stat.st_mode);
  }
  unlock();
  return fd;
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

/* Forgets a descriptor that is about to be closed. Returns 1 if its close has to fail. */
static int forget(int fd) {
  int failed = is_tracked(fd) && fails(KIND_CLOSE, NULL, fd);
  if (fd >= 0 && fd < FD_MAX) tracked[fd] = 0;
  return failed;
}

/* A close that fails has closed all the same, as on Linux. */
int close(int fd) {
  NEXT(int, "close", int);
  int failed = forget(fd), error = errno;
  int result = next(fd);
  if (!failed) return result;
  errno = error;
  return -1;
}

/* ---- data ---- */

ssize_t read(int fd, void *bytes, size_t count) {
  NEXT(ssize_t, "read", int, void *, size_t);
  if (is_tracked(fd) && fails(KIND_READ, NULL, fd)) {
    if (!is_short()) return -1;
    count = half(count);
  }
  return next(fd, bytes, count);
}

ssize_t pread64(int fd, void *bytes, size_t count, off64_t offset) {
  NEXT(ssize_t, "pread64", int, void *, size_t, off64_t);
  if (is_tracked(fd) && fails(KIND_READ, NULL, fd)) {
    if (!is_short()) return -1;
    count = half(count);
  }
  return next(fd, bytes, count, offset);
}

ssize_t pread(int fd, void *bytes, size_t count, off_t offset) {
  return pread64(fd, bytes, count, offset);
}

/* Where write() will write. */
static int64_t position(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return lseek64(fd, 0, flags >= 0 && (flags & O_APPEND) ? SEEK_END : SEEK_CUR);
}

static int is_stdout(int fd) { return fd == STDOUT_FILENO && log_fd >= 0; }

ssize_t write(int fd, const void *bytes, size_t count) {
  NEXT(ssize_t, "write", int, const void *, size_t);
  if (is_stdout(fd)) {
    lock();
    record(OP_STDOUT, fd, NULL, NULL, NULL, 0, 0, 0, 0);
    unlock();
  }
  if (!is_tracked(fd)) return next(fd, bytes, count);
  lock();
  if (fails(KIND_WRITE, NULL, fd)) {
    if (!is_short()) {
      unlock();
      return -1;
    }
    count = half(count);
  }
  int64_t offset = position(fd);
  ssize_t wrote = next(fd, bytes, count);
  if (wrote > 0) record(OP_WRITE, fd, NULL, NULL, bytes, (size_t)wrote, offset, 0, 0);
  unlock();
  return wrote;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  NEXT(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
  if (!is_tracked(fd)) return next(fd, bytes, count, offset);
  lock();
  if (fails(KIND_WRITE, NULL, fd)) {
    if (!is_short()) {
      unlock();
      return -1;
    }
    count = half(count);
  }
  ssize_t wrote = next(fd, bytes, count, offset);
  if (wrote > 0) record(OP_WRITE, fd, NULL, NULL, bytes, (size_t)wrote, offset, 0, 0);
  unlock();
  return wrote;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
  return pwrite64(fd, bytes, count, offset);
}

/* Several parts are written one after another: a record has one piece of data. */
ssize_t writev(int fd, const struct iovec *parts, int count) {
  NEXT(ssize_t, "writev", int, const struct iovec *, int);
  if (!is_tracked(fd) && !is_stdout(fd)) return next(fd, parts, count);
  ssize_t all = 0;
  for (int i = 0; i < count; i++) {
    ssize_t wrote = write(fd, parts[i].iov_base, parts[i].iov_len);
    if (wrote < 0) return all > 0 ? all : -1;
    all += wrote;
    if ((size_t)wrote < parts[i].iov_len) break;
  }
  return all;
}

/* With these refused, Node copies files by read and write. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t count) {
  NEXT(ssize_t, "sendfile64", int, int, off64_t *, size_t);
  if (!is_tracked(out)) return next(out, in, offset, count);
  errno = EINVAL;
  return -1;
}

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

int ioctl(int fd, unsigned long request, ...) {
  NEXT(int, "ioctl", int, unsigned long, ...);
  va_list arguments;
  va_start(arguments, request);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  if (!is_tracked(fd) || request != FICLONE) return next(fd, request, argument);
  errno = EOPNOTSUPP;
  return -1;
}

long syscall(long number, ...) {
  NEXT(long, "syscall", long, ...);
  long a[6];
  va_list arguments;
  va_start(arguments, number);
  for (int i = 0; i < 6; i++) a[i] = va_arg(arguments, long);
  va_end(arguments);
  if (number == SYS_close) return close((int)a[0]);
  if (number == SYS_copy_file_range && is_tracked((int)a[2])) {
    errno = ENOSYS;
    return -1;
  }
  if (number == SYS_statx) {
    const char *path = (const char *)a[1];
    int of_path = path && path[0];
    int is_ours = of_path ? is_under(path) : is_tracked((int)a[0]);
    if (is_ours && fails(KIND_STAT, of_path ? path : NULL, (int)a[0])) return -1;
  }
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int sync_file(int fd, const char *name) {
  int (*next)(int);
  *(void **)&next = dlsym(RTLD_NEXT, name);
  if (!is_tracked(fd)) return next(fd);
  lock();
  int result = fails(KIND_FSYNC, NULL, fd) ? -1 : no_sync ? 0 : next(fd);
  if (result == 0) record(OP_FSYNC, fd, NULL, NULL, NULL, 0, 0, 0, 0);
  unlock();
  return result;
}

int fsync(int fd) { return sync_file(fd, "fsync"); }

int fdatasync(int fd) { return sync_file(fd, "fdatasync"); }

int ftruncate64(int fd, off64_t size) {
  NEXT(int, "ftruncate64", int, off64_t);
  if (!is_tracked(fd)) return next(fd, size);
  lock();
  int result = fails(KIND_TRUNCATE, NULL, fd) ? -1 : next(fd, size);
  if (result == 0) record(OP_TRUNCATE, fd, NULL, NULL, NULL, 0, size, 0, 0);
  unlock();
  return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

/* ---- names ---- */

/* A call that puts one thing under another name. */
#define TWO_NAMES(name, kind, op)                                \
  int name(const char *from, const char *to) {                   \
    NEXT(int, #name, const char *, const char *);                \
    if (!is_under(to)) return next(from, to);                    \
    lock();                                                      \
    int result = fails(kind, to, -1) ? -1 : next(from, to);      \
    if (result == 0) record(op, -1, from, to, NULL, 0, 0, 0, 0); \
    unlock();                                                    \
    return result;                                               \
  }

TWO_NAMES(rename, KIND_RENAME, OP_RENAME)
TWO_NAMES(link, KIND_LINK, OP_LINK)
TWO_NAMES(symlink, KIND_LINK, OP_SYMLINK)

#define ONE_NAME(name, kind, op)                                   \
  int name(const char *path) {                                     \
    NEXT(int, #name, const char *);                                \
    if (!is_under(path)) return next(path);                        \
    lock();                                                        \
    int result = fails(kind, path, -1) ? -1 : next(path);          \
    if (result == 0) record(op, -1, path, NULL, NULL, 0, 0, 0, 0); \
    unlock();                                                      \
    return result;                                                 \
  }

ONE_NAME(unlink, KIND_UNLINK, OP_UNLINK)
ONE_NAME(rmdir, KIND_RMDIR, OP_RMDIR)

int mkdir(const char *path, mode_t mode) {
  NEXT(int, "mkdir", const char *, mode_t);
  if (!is_under(path)) return next(path, mode);
  lock();
  int result = fails(KIND_MKDIR, path, -1) ? -1 : next(path, mode);
  if (result == 0) record(OP_MKDIR, -1, path, NULL, NULL, 0, 0, 0, (int)mode);
  unlock();
  return result;
}

char *mkdtemp(char *pattern) {
  NEXT(char *, "mkdtemp", char *);
  if (!is_under(pattern)) return next(pattern);
  lock();
  char *result = fails(KIND_MKDIR, pattern, -1) ? NULL : next(pattern);
  if (result) record(OP_MKDIR, -1, result, NULL, NULL, 0, 0, 0, 0700);
  unlock();
  return result;
}

int scandir64(const char *path, struct dirent64 ***names, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **)) {
  NEXT(int, "scandir64", const char *, struct dirent64 ***, int (*)(const struct dirent64 *),
       int (*)(const struct dirent64 **, const struct dirent64 **));
  if (is_under(path) && fails(KIND_LIST, path, -1)) return -1;
  return next(path, names, filter, compare);
}
