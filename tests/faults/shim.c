/*
 * Makes one call of the C library fail, or kills the process there: to be preloaded (LD_PRELOAD).
 *
 * FAULT_ROOT   only calls on paths that hold this text count
 * FAULT        "<call> <number> <errno>": the call of this name and number, from 1, fails with this errno;
 *              0 in place of an errno kills the process before the call
 * FAULT_LOG    a file to which the names of all calls that count are appended
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int seen;

static int is_due(const char *call, const char *path)
{
    const char *root = getenv("FAULT_ROOT"), *fault = getenv("FAULT"), *log = getenv("FAULT_LOG");
    char wanted[32];
    int number, code;

    if (!root || !path || !strstr(path, root))
        return 0;
    if (log) {
        static int (*real_open)(const char *, int, ...);
        static ssize_t (*real_write)(int, const void *, size_t);
        static int (*real_close)(int);
        if (!real_open) {
            real_open = dlsym(RTLD_NEXT, "open64");
            real_write = dlsym(RTLD_NEXT, "write");
            real_close = dlsym(RTLD_NEXT, "close");
        }
        int file = real_open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
        char line[40];
        int length = snprintf(line, sizeof line, "%s\n", call);
        if (real_write(file, line, length) < 0)
            abort();
        real_close(file);
    }
    if (!fault || sscanf(fault, "%31s %d %d", wanted, &number, &code) != 3 || strcmp(wanted, call))
        return 0;
    if (__sync_add_and_fetch(&seen, 1) != number)
        return 0;
    if (!code)
        kill(getpid(), SIGKILL);
    errno = code;
    return 1;
}

static int is_due_at(const char *call, int file)
{
    char link[32], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_due(call, path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int unlink(const char *path) { REAL(unlink); return is_due("unlink", path) ? -1 : real(path); }
int rmdir(const char *path) { REAL(rmdir); return is_due("rmdir", path) ? -1 : real(path); }
int rename(const char *from, const char *to) { REAL(rename); return is_due("rename", to) ? -1 : real(from, to); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); return is_due("mkdir", path) ? -1 : real(path, mode); }
int fsync(int file) { REAL(fsync); return is_due_at("fsync", file) ? -1 : real(file); }

int unlinkat(int folder, const char *path, int flags)
{
    REAL(unlinkat);
    return (*path == '/' ? is_due("unlink", path) : is_due_at("unlink", folder)) ? -1 : real(folder, path, flags);
}

ssize_t write(int file, const void *data, size_t size)
{
    REAL(write);
    return is_due_at("write", file) ? -1 : real(file, data, size);
}

ssize_t read(int file, void *data, size_t size)
{
    REAL(read);
    return is_due_at("read", file) ? -1 : real(file, data, size);
}

ssize_t pread64(int file, void *data, size_t size, off64_t at)
{
    REAL(pread64);
    return is_due_at("read", file) ? -1 : real(file, data, size, at);
}

ssize_t pread(int file, void *data, size_t size, off_t at) { return pread64(file, data, size, at); }

int close(int file)
{
    REAL(close);
    int fails = is_due_at("close", file), code = errno, result = real(file);
    if (!fails)
        return result;
    errno = code;
    return -1;
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return is_due("open", path) ? -1 : real(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    return open64(path, flags, mode);
}
