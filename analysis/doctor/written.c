/* SPDX-License-Identifier: Apache-2.0 */
/* Where something is written, and where profiles are asked for. What can be tried is tried. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/base/clock.h"
#include "uploader/handover/socket_name.h"
#include "uploader/options/paths.h"
#include "uploader/web/listen.h"

enum { TRIED_BYTES = 1 << 20, LOW_BYTES = 32 << 20 };

static int try_to_fill(int fd)
{
    static const char block[65536];
    struct rlimit limit;
    size_t written = 0;
    ssize_t size = 0;

    /* As the uploader does. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    while (written < TRIED_BYTES && (size = write(fd, block, sizeof block)) > 0)
        written += (size_t)size;
    if (size < 0)
        return errno;
    return fsync(fd) && (errno == ENOSPC || errno == EDQUOT || errno == EIO) ? errno : 0;
}

/* Makes a file of some size in the directory, and removes it. If the directory is to be made, in what is to hold it. */
static int try_to_write(const char *path)
{
    char at[PATH_MAX], name[64];
    int directory, fd, error;
    struct stat st;

    snprintf(at, sizeof at, "%s", path);
    while (lstat(at, &st) && errno == ENOENT && strrchr(at, '/') > at)
        *strrchr(at, '/') = 0;
    if (stat(at, &st) && errno == ENOENT)
        strcpy(at, "/");
    directory = path_open_directory(at, false);
    if (directory < 0)
        return -directory;
    snprintf(name, sizeof name, ".cprof-doctor-%d-%lld", (int)getpid(), (long long)monotonic_ns());
    fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    error = fd < 0 ? errno : try_to_fill(fd);
    if (fd >= 0) {
        close(fd);
        unlinkat(directory, name, 0);
    }
    close(directory);
    return error;
}

static int try_room(const char *path)
{
    char at[PATH_MAX];
    struct statvfs fs;

    snprintf(at, sizeof at, "%s", path);
    while (statvfs(at, &fs)) {
        if (errno != ENOENT || strrchr(at, '/') == at || !strrchr(at, '/'))
            return 0;
        *strrchr(at, '/') = 0;
    }
    return (uint64_t)fs.f_bavail * fs.f_frsize < LOW_BYTES ? ENOSPC : 0;
}

static const char *remedy_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "Make room, or choose another directory; CPROF_KEEP says how much is kept";
    case EROFS:
        return "It is read-only: choose a directory that may be written, mount one there, or set "
               "CPROF_SERVER";
    case ELOOP:
        return "Write the path without links of other users";
    case ENOTDIR:
        return "A part of the path is no directory: choose another one";
    default:
        return "Choose a directory that the program's user may write";
    }
}

/* A session that found the directory in use by another one writes to DIRECTORY-2, and so on. */
static bool has_another(const struct examination *examination, const char *path)
{
    char other[PATH_MAX + 4];
    bool found = false;

    for (int i = 2; i <= 9 && !found && examination->process.is_joined; i++) {
        snprintf(other, sizeof other, "%s-%d", path, i);
        found = examination_has(examination, other) && !places_as_user(examination, try_to_write, other);
    }
    return found;
}

static void check_directory(struct examination *examination, const char *path, const char *what,
                            const char *variable)
{
    int error = places_as_user(examination, try_to_write, path);

    if (error && has_another(examination, path))
        return;
    if (error)
        FOUND(examination, MISSING, "%s cannot be written to %s: %s\n%s (%s)", what, path, path_error(error),
              remedy_of(error), variable);
    else if (places_as_user(examination, try_room, path))
        FOUND(examination, MISSING, "the file system of %s has less than %d MiB left for %s\n%s (%s)", path,
              LOW_BYTES >> 20, what, remedy_of(ENOSPC), variable);
}

void check_out(struct examination *examination)
{
    const struct process *process = &examination->process;

    /* What is the usual directory says nothing of a process that has yet to be started with the library. */
    if (process->pid && !process->is_joined && !examination->options.settings.value[SETTING_OUT].variable)
        return;
    if (*examination->options.out)
        check_directory(examination, examination->options.out, "profiles", "CPROF_OUT");
}

void check_spool(struct examination *examination)
{
    const char *spool = examination->options.settings.value[SETTING_SPOOL].text;
    const char *log = examination->options.settings.value[SETTING_LOG].text;
    char directory[PATH_MAX], path[PATH_MAX];

    if (*spool && *spool == '/')
        check_directory(examination, spool, "profiles that wait", "CPROF_SPOOL");
    if (*log != '/')
        return;
    snprintf(path, sizeof path, "%s", log);
    snprintf(directory, sizeof directory, "%.*s",
             strrchr(path, '/') == path ? 1 : (int)(strrchr(path, '/') - path), path);
    if (access(path, F_OK))
        check_directory(examination, directory, "the log", "CPROF_LOG");
    else if (access(path, W_OK))
        FOUND(examination, MISSING, "the log %s cannot be written: %s\nChoose another file (CPROF_LOG)", path,
              strerror(errno));
}

/* --- where profiles are asked for --- */

static bool session_runs(const struct examination *examination)
{
    int fd = socket_name_connect(examination->options.socket);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

void check_listen(struct examination *examination)
{
    const struct setting_value *value = examination->options.settings.value;
    const char *listen = value[SETTING_LISTEN].text;
    bool has_cert = *value[SETTING_LISTEN_CERT].text, has_key = *value[SETTING_LISTEN_KEY].text;
    struct listen_address address;
    int fd;

    if (!*listen)
        return;
    if (listen_parse(listen, &address)) {
        FOUND(examination, MISSING,
              "CPROF_LISTEN=%s is no address:port, such as 127.0.0.1:6060, nor unix:PATH; nothing is "
              "listened at\nCorrect it",
              listen);
        return;
    }
    if (has_cert != has_key)
        FOUND(examination, MISSING, "%s is set, and %s is not; nothing is listened at\nSet both",
              has_cert ? "CPROF_LISTEN_CERT" : "CPROF_LISTEN_KEY",
              has_cert ? "CPROF_LISTEN_KEY" : "CPROF_LISTEN_CERT");
    else if (!address.is_loopback && !has_cert && !*value[SETTING_LISTEN_TOKEN].text)
        FOUND(examination, MISSING,
              "CPROF_LISTEN=%s: other machines reach this address, so nothing is listened at\n"
              "Set CPROF_LISTEN_TOKEN, or CPROF_LISTEN_CERT and CPROF_LISTEN_KEY, or listen at 127.0.0.1",
              listen);
    if (examination->process.pid || session_runs(examination))
        return;
    fd = listen_open(&address);
    if (fd < 0)
        FOUND(examination, MISSING, "CPROF_LISTEN=%s cannot be listened at: %s\n%s", listen, strerror(-fd),
              fd == -EADDRINUSE ? "Another program has this port: choose another one, or 0"
                                : "Choose another address");
    else
        close(fd);
    if (fd >= 0 && address.is_unix)
        unlink(address.socket.un.sun_path);
}
