/* Loaded by the dynamic linker (LD_PRELOAD) into a process of the tests: the n-th write below a
 * folder ends the process with half of the data written, or finds the disk full, as all later ones
 * do. So it meets whoever writes: Python, NumPy, HDF5, ffmpeg. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, KILL, FULL };
static char folder[PATH_MAX];
static size_t length;
static int mode;
static long at, seen;

void arm(const char *where, int what, long number) {
    strncpy(folder, where, sizeof folder - 1);
    length = strlen(folder);
    mode = what, at = number, seen = 0;
}

long writes(void) { return seen; }

static int below(const char *path) {
    return length && !strncmp(path, folder, length) && path[length] == '/';
}

static int is_here(int file) {
    char link[64], path[PATH_MAX];
    if (!length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

/* Whether this write must not happen. */
static int due(void) {
    long number = __sync_add_and_fetch(&seen, 1);
    return mode == KILL ? number == at : mode == FULL && number >= at;
}

static void end(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *data, size_t size) {
    REAL(write);
    if (is_here(file) && due()) {
        if (mode == KILL) { real(file, data, size / 2); end(); }
        errno = ENOSPC;
        return -1;
    }
    return real(file, data, size);
}

static ssize_t positioned(ssize_t (*real)(int, const void *, size_t, off_t), int file,
                          const void *data, size_t size, off_t place) {
    if (is_here(file) && due()) {
        if (mode == KILL) { real(file, data, size / 2, place); end(); }
        errno = ENOSPC;
        return -1;
    }
    return real(file, data, size, place);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t place) {
    REAL(pwrite);
    return positioned(real, file, data, size, place);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t place) {
    REAL(pwrite64);
    return positioned(real, file, data, size, place);
}

ssize_t writev(int file, const struct iovec *parts, int number) {
    REAL(writev);
    if (is_here(file) && due()) {
        if (mode == KILL) { real(file, parts, number / 2); end(); }
        errno = ENOSPC;
        return -1;
    }
    return real(file, parts, number);
}

size_t fwrite(const void *data, size_t size, size_t number, FILE *file) {
    REAL(fwrite);
    if (is_here(fileno(file)) && due()) {
        if (mode == KILL) { real(data, size, number / 2, file); fflush(file); end(); }
        errno = ENOSPC;
        return 0;
    }
    return real(data, size, number, file);
}

int rename(const char *from, const char *to) { /* needs no space, but is a moment to be killed */
    REAL(rename);
    if (below(to) && due() && mode == KILL) end();
    return real(from, to);
}
