/* SPDX-License-Identifier: Apache-2.0 */
#include "rooted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

enum { DEPTH_MOST = 64, LINKS_MOST = 40, AGAIN_MOST = 4 };
enum { PATH_FLAGS = O_PATH | O_CLOEXEC };

/* --- by hand --- */

/* The directories on the way. So ".." leads to where the walk came from, whatever is renamed meanwhile. */
struct walk {
    int fd[DEPTH_MOST]; /* [0] is the root, borrowed */
    unsigned depth;
    unsigned links;
    char left[2 * PATH_MAX]; /* of the path */
};

static void walk_to_root(struct walk *walk)
{
    while (walk->depth > 1)
        close(walk->fd[--walk->depth]);
}

/* A link's text takes the place of its name. */
static int walk_link(struct walk *walk, int link, const char *rest)
{
    char text[2 * PATH_MAX];
    struct statfs fs;
    ssize_t length = readlinkat(link, "", text, PATH_MAX);

    if (length < 0 || length >= PATH_MAX)
        return length < 0 ? -errno : -ENAMETOOLONG;
    if (++walk->links > LINKS_MOST || (!fstatfs(link, &fs) && fs.f_type == PROC_SUPER_MAGIC))
        return -ELOOP;
    if ((size_t)length + 1 + strlen(rest) >= sizeof text)
        return -ENAMETOOLONG;
    text[length] = '/';
    strcpy(text + length + 1, rest);
    strcpy(walk->left, text);
    if (*text == '/')
        walk_to_root(walk);
    return 0;
}

/* Opens one part of the path and puts it on the stack, or follows it. */
static int walk_part(struct walk *walk, const char *name, const char *rest)
{
    char after[2 * PATH_MAX];
    struct stat st;
    int fd, error;

    if (!strcmp(name, "..")) {
        if (fstat(walk->fd[walk->depth - 1], &st) || !S_ISDIR(st.st_mode))
            return -ENOTDIR;
        if (walk->depth > 1)
            close(walk->fd[--walk->depth]);
        return 0;
    }
    if (walk->depth == DEPTH_MOST)
        return -ENAMETOOLONG;
    fd = openat(walk->fd[walk->depth - 1], name, PATH_FLAGS | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    error = fstat(fd, &st) ? -errno : 0;
    if (error || !S_ISLNK(st.st_mode)) {
        walk->fd[walk->depth++] = fd;
        return error;
    }
    strcpy(after, rest); /* it lies in what is replaced */
    error = walk_link(walk, fd, after);
    close(fd);
    return error;
}

int rooted_walk(int root_fd, const char *path)
{
    struct walk walk = {.fd = {root_fd}, .depth = 1};
    char part[NAME_MAX + 1];
    int error = 0, fd = -ENOENT;

    if (strlen(path) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(walk.left, path);
    while (!error && *walk.left) {
        const char *start = walk.left + strspn(walk.left, "/");
        size_t length = strcspn(start, "/");
        char rest[sizeof walk.left];
        if (length > NAME_MAX) {
            error = -ENAMETOOLONG;
            break;
        }
        memcpy(part, start, length);
        part[length] = 0;
        strcpy(rest, start + length);
        strcpy(walk.left, rest);
        if (length && strcmp(part, ".") != 0)
            error = walk_part(&walk, part, rest);
    }
    if (!error)
        fd = fcntl(walk.fd[walk.depth - 1], F_DUPFD_CLOEXEC, 0);
    walk_to_root(&walk);
    return error ? error : fd;
}

/* --- by the kernel --- */

/* What is there, without opening it. */
static int find(int root_fd, const char *path, uint64_t resolve)
{
    const struct open_how how = {.flags = PATH_FLAGS, .resolve = resolve};
    long fd = -1;

    for (int attempt = 0; attempt < AGAIN_MOST; attempt++) {
        fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) /* EAGAIN: something was renamed while ".." was being resolved */
            break;
    }
    if (fd >= 0)
        return (int)fd;
    if (errno != ENOSYS && errno != EPERM) /* before 5.6, or behind an old container's filter */
        return -errno;
    if (root_fd >= 0)
        return rooted_walk(root_fd, path);
    root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = root_fd < 0 ? -errno : rooted_walk(root_fd, path);
    if (root_fd >= 0)
        close(root_fd);
    return (int)fd;
}

/* Takes fd over, which is what find() found. */
static int open_found(int found)
{
    char path[40];
    struct stat st;
    int fd;

    if (found < 0)
        return found;
    if (fstat(found, &st) || !S_ISREG(st.st_mode)) {
        close(found);
        return -EINVAL;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", found);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    fd = fd < 0 ? -errno : fd;
    close(found);
    return fd;
}

int rooted_open(int root_fd, const char *path)
{
    int fd;

    if (root_fd >= 0)
        return open_found(find(root_fd, path, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
    fd = open(path, PATH_FLAGS);
    return open_found(fd < 0 ? -errno : fd);
}

/* A user who may mount it in a namespace of his own may answer its requests late or never. And what is no
   file may answer never. */
static bool is_refused(int fd)
{
    static const uint64_t refused[] = {FUSE_SUPER_MAGIC, PROC_SUPER_MAGIC,    SYSFS_MAGIC,
                                       DEBUGFS_MAGIC,    TRACEFS_MAGIC,       V9FS_MAGIC,
                                       CODA_SUPER_MAGIC, BINDERFS_SUPER_MAGIC};
    struct statfs fs;

    if (fstatfs(fd, &fs))
        return true;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        if ((uint64_t)fs.f_type == refused[i])
            return true;
    return false;
}

int rooted_open_guarded(int root_fd, const char *path)
{
    uint64_t resolve = RESOLVE_NO_MAGICLINKS | (root_fd >= 0 ? RESOLVE_IN_ROOT : 0);
    int fd =
        *path ? find(root_fd >= 0 ? root_fd : AT_FDCWD, path, resolve) : fcntl(root_fd, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0 && is_refused(fd)) {
        close(fd);
        return -EPERM;
    }
    return open_found(fd < 0 && !*path ? -errno : fd);
}
