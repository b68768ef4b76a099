/* Local disk faults, for files below $DISK_FAULT_DIR only. The file $DISK_FAULT says which:
   "full" (ENOSPC on writes), "write" (EIO on writes), "fsync" (EIO on fsync), "readonly" (EROFS on
   writes), "+600" and "-600": the clock is off by so many seconds, "" or no file: none. Built and
   preloaded by the tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static void read_fault(char word[16]) {
    const char *file = getenv("DISK_FAULT");
    memset(word, 0, 16);
    if (!file) return;
    int before = errno, fd = syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (syscall(SYS_read, fd, word, 15) < 0) word[0] = 0;
        syscall(SYS_close, fd);
    }
    errno = before;
}

static int is(const char *name) {
    char word[16];
    read_fault(word);
    return strcmp(word, name) == 0;
}

static int ours(int fd) {
    char link[64], path[4096];
    const char *dir = getenv("DISK_FAULT_DIR");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0 || !dir) return 0;
    path[length] = 0;
    return strncmp(path, dir, strlen(dir)) == 0;
}

static int write_fails(int fd) {
    int before = errno, which = is("full") ? ENOSPC : is("write") ? EIO : is("readonly") ? EROFS : 0;
    if (which && ours(fd)) {
        errno = which;
        return 1;
    }
    errno = before;
    return 0;
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t count) {
    REAL(write);
    return write_fails(fd) ? -1 : real(fd, data, count);
}
ssize_t pwrite(int fd, const void *data, size_t count, off_t at) {
    REAL(pwrite);
    return write_fails(fd) ? -1 : real(fd, data, count, at);
}
ssize_t pwrite64(int fd, const void *data, size_t count, off64_t at) {
    REAL(pwrite64);
    return write_fails(fd) ? -1 : real(fd, data, count, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    return write_fails(fd) ? -1 : real(fd, parts, count);
}
static int sync_fails(int fd) {
    if (!is("fsync") || !ours(fd)) return 0;
    errno = EIO;
    return 1;
}
int fsync(int fd) {
    REAL(fsync);
    return sync_fails(fd) ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_fails(fd) ? -1 : real(fd);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
    char word[16];
    REAL(clock_gettime);
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) {
        read_fault(word);
        if (word[0] == '+' || word[0] == '-') now->tv_sec += atoi(word);
    }
    return result;
}
