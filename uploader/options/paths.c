/* SPDX-License-Identifier: Apache-2.0 */
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MOST = 40, DIRECTORY_MODE = 0755, FILE_MODE = 0644 };

/* A path on its way to its last component. */
struct walk {
    int at;              /* the directory reached */
    char rest[PATH_MAX]; /* what is left of the path */
    char name[NAME_MAX + 1];
    unsigned links;
    bool make;
};

static int move_to(struct walk *walk, int fd)
{
    if (fd < 0)
        return -errno;
    if (walk->at >= 0)
        close(walk->at);
    walk->at = fd;
    return 0;
}

/* Takes the next component off the path; "." if none is left. */
static int next_name(struct walk *walk)
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(from, "/");

    if (length > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(walk->name, length ? from : ".", length ? length : 1);
    walk->name[length ? length : 1] = 0;
    from += length;
    from += strspn(from, "/");
    memmove(walk->rest, from, strlen(from) + 1);
    return 0;
}

/* Puts the target of the link before the rest of the path. The link is read by its own descriptor, so it
   cannot be exchanged after its owner was checked. */
static int follow(struct walk *walk, int link, const struct stat *st)
{
    char target[PATH_MAX];
    ssize_t length;
    size_t rest = strlen(walk->rest);

    if ((st->st_uid != 0 && st->st_uid != geteuid()) || ++walk->links > LINKS_MOST)
        return -ELOOP;
    length = readlinkat(link, "", target, sizeof(target));
    if (length <= 0)
        return length ? -errno : -ENOENT;
    if ((size_t)length + rest + 2 > sizeof(walk->rest))
        return -ENAMETOOLONG;
    memmove(walk->rest + length + 1, walk->rest, rest + 1);
    walk->rest[length] = rest ? '/' : 0;
    memcpy(walk->rest, target, (size_t)length);
    return *target == '/' ? move_to(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)) : 0;
}

/* Goes on by one component. 1: it is the last one, which is no link and need not exist. */
static int step(struct walk *walk)
{
    const int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    struct stat st;
    int error = next_name(walk), fd;
    bool is_last = !*walk->rest;

    if (error)
        return error;
    fd = openat(walk->at, walk->name, flags);
    if (fd < 0 && errno == ENOENT && is_last)
        return 1;
    if (fd < 0 && errno == ENOENT && walk->make &&
        (!mkdirat(walk->at, walk->name, DIRECTORY_MODE) || errno == EEXIST))
        fd = openat(walk->at, walk->name, flags);
    if (fd < 0)
        return -errno;
    error = fstat(fd, &st) ? -errno : 0;
    if (!error && !S_ISLNK(st.st_mode) && !is_last)
        return S_ISDIR(st.st_mode) ? move_to(walk, fd) : (close(fd), -ENOTDIR);
    if (!error)
        error = S_ISLNK(st.st_mode) ? follow(walk, fd, &st) : 1;
    close(fd);
    return error;
}

/* Returns the descriptor of the directory of the path's last component, and that component in name. */
static int walk_path(const char *path, bool make, char name[NAME_MAX + 1])
{
    struct walk walk = {.at = -1, .make = make};
    int error;

    if (strlen(path) >= sizeof(walk.rest))
        return -ENAMETOOLONG;
    strcpy(walk.rest, path);
    error = move_to(&walk, open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (!error)
        error = step(&walk);
    if (error == 1) {
        strcpy(name, walk.name);
        return walk.at;
    }
    if (walk.at >= 0)
        close(walk.at);
    return error;
}

/* If a directory is wanted, the kernel's error for a link is that it is no directory. */
static int enter_error(int parent, const char *name)
{
    struct stat st;
    int error = errno;

    if (error == ENOTDIR && !fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode))
        error = ELOOP;
    return -error;
}

static int open_directory_in(int parent, const char *name, bool make)
{
    int fd;

    if (make && mkdirat(parent, name, DIRECTORY_MODE) && errno != EEXIST)
        return -errno;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? enter_error(parent, name) : fd;
}

int path_enter(int parent, const char *name)
{
    return open_directory_in(parent, name, true);
}

int path_open_directory(const char *path, bool make)
{
    char name[NAME_MAX + 1];
    int parent = walk_path(path, make, name), fd;

    if (parent < 0)
        return parent;
    fd = open_directory_in(parent, name, make && strcmp(name, ".") != 0);
    close(parent);
    return fd;
}

/* A second name of a file could be somebody else's link to it. And a pipe that nobody reads must not block
   the uploader. */
static int open_log_in(int parent, const char *name)
{
    int fd =
        openat(parent, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
               FILE_MODE);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (!fstat(fd, &st) && (!S_ISREG(st.st_mode) || st.st_nlink <= 1))
        return fd;
    close(fd);
    return -EMLINK;
}

int path_open_log(const char *path)
{
    char name[NAME_MAX + 1];
    int parent, fd;

    if (!strcmp(path, "/dev/stderr") || !strcmp(path, "/dev/stdout")) {
        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? -errno : fd;
    }
    parent = walk_path(path, false, name);
    if (parent < 0)
        return parent;
    fd = open_log_in(parent, name);
    close(parent);
    return fd;
}

const char *path_error(int error)
{
    if (error == ELOOP)
        return "there is a link in it that is not followed";
    if (error == EMLINK)
        return "the file has a second name";
    return strerror(error);
}

/* A file that has the name already is left over from an uploader that was killed, or somebody put it there.
   It is removed, and never written to. */
static int create(int directory, const char *name)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(directory, name, flags, FILE_MODE);

    if (fd < 0 && errno == EEXIST && !unlinkat(directory, name, 0))
        fd = openat(directory, name, flags, FILE_MODE);
    return fd;
}

int draft_open(struct draft *draft, int directory, const char *name)
{
    int fd, error;

    draft->directory = directory;
    draft->name = name;
    snprintf(draft->temporary, sizeof(draft->temporary), ".%s.tmp", name);
    fd = create(directory, draft->temporary);
    draft->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (draft->out)
        return 0;
    error = -errno;
    if (fd >= 0)
        close(fd);
    return error;
}

int draft_finish(struct draft *draft, int error)
{
    if (fflush(draft->out) && !error)
        error = -errno;
    if (fclose(draft->out) && !error)
        error = -errno;
    if (!error && renameat(draft->directory, draft->temporary, draft->directory, draft->name))
        error = -errno;
    if (error)
        unlinkat(draft->directory, draft->temporary, 0);
    return error;
}
