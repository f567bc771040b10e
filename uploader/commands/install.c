/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof-uploader install: copies the directory that holds this program, for an init container whose image has
 * no shell and no cp.
 *
 * Each file is written beside its place and renamed. A program that has the old library mapped keeps it whole.
 */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS = 16 };

/* nftw() has no argument for its callback. */
static struct {
    char source[PATH_MAX], place[PATH_MAX];
    size_t files;
} install;

static int write_copy(int in, int out, const struct stat *st)
{
    ssize_t copied;
    off_t left = st->st_size;

    while (left > 0) {
        copied = sendfile(out, in, NULL, (size_t)left);
        if (copied < 0)
            return -errno;
        if (!copied)
            return -EIO; /* it has become shorter */
        left -= copied;
    }
    /* Programs of other users run it, whatever the umask is. */
    return fchmod(out, st->st_mode & S_IXUSR ? 0755 : 0644) ? -errno : 0;
}

static int copy_file(const char *from, const char *to, const struct stat *st)
{
    int in = open(from, O_RDONLY | O_CLOEXEC), out, rc;

    if (in == -1)
        return -errno;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out == -1) {
        rc = -errno;
        close(in);
        return rc;
    }
    rc = write_copy(in, out, st);
    if (close(out) && !rc)
        rc = -errno;
    close(in);
    return rc;
}

static int copy_link(const char *from, const char *to)
{
    char target[PATH_MAX];
    ssize_t length = readlink(from, target, sizeof target - 1);

    if (length < 0)
        return -errno;
    target[length] = 0;
    return symlink(target, to) ? -errno : 0;
}

static int make_directory(const char *path)
{
    if (mkdir(path, 0755))
        return errno == EEXIST ? 0 : -errno;
    return chmod(path, 0755) ? -errno : 0;
}

static int copy_entry(const char *from, const char *to, const struct stat *st, int type)
{
    char beside[PATH_MAX + 8];
    int rc;

    if (type == FTW_D)
        return make_directory(to);
    snprintf(beside, sizeof beside, "%s.new", to);
    unlink(beside); /* of a copy that was killed */
    rc = type == FTW_SL ? copy_link(from, beside) : copy_file(from, beside, st);
    if (!rc && rename(beside, to))
        rc = -errno;
    if (rc)
        unlink(beside);
    install.files += !rc;
    return rc;
}

static int visit(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    const char *rest = path + strlen(install.source);
    char to[PATH_MAX];
    int rc;

    if (!walk->level)
        return 0;
    if (type == FTW_DNR || type == FTW_NS)
        rc = -EACCES;
    else if (snprintf(to, sizeof to, "%s%s", install.place, rest) >= (int)sizeof to)
        rc = -ENAMETOOLONG;
    else
        rc = copy_entry(path, to, st, type);
    if (rc)
        fprintf(stderr, "cprof: install: %s: %s\n", path, strerror(-rc));
    return rc;
}

/* The directory of this program. Only one that has the library as well is worth copying. */
static int find_source(void)
{
    ssize_t length = readlink("/proc/self/exe", install.source, sizeof install.source - 1);
    char library[PATH_MAX + 16], *slash;

    if (length < 0) {
        fprintf(stderr, "cprof: install: /proc/self/exe: %s\n", strerror(errno));
        return -ENOENT;
    }
    install.source[length] = 0;
    slash = strrchr(install.source, '/');
    *slash = 0;
    snprintf(library, sizeof library, "%s/libcprof.so", install.source);
    if (!access(library, R_OK))
        return 0;
    fprintf(stderr, "cprof: install: %s is not there; only a bundle or a package can be copied\n", library);
    return -ENOENT;
}

/* A copy inside of what is copied would have no end. */
static bool is_inside(void)
{
    size_t length = strlen(install.source);
    return !strncmp(install.place, install.source, length) &&
           (install.place[length] == '/' || !install.place[length]);
}

int install_main(int argc, char **argv)
{
    int rc;

    if (argc != 2 || argv[1][0] == '-') {
        fputs("usage: cprof-uploader install DIRECTORY\n"
              "Copies the library, the uploader and all that lies beside them to DIRECTORY.\n",
              argc == 2 && !strcmp(argv[1], "--help") ? stdout : stderr);
        return argc == 2 && !strcmp(argv[1], "--help") ? 0 : 2;
    }
    if (find_source())
        return 1;
    rc = make_directory(argv[1]);
    if (rc || !realpath(argv[1], install.place)) {
        fprintf(stderr, "cprof: install: %s: %s\n", argv[1], strerror(rc ? -rc : errno));
        return 1;
    }
    if (is_inside()) {
        fprintf(stderr, "cprof: install: %s is inside of %s\n", install.place, install.source);
        return 2;
    }
    if (nftw(install.source, visit, DESCRIPTORS, FTW_PHYS))
        return 1;
    printf("cprof: %zu files are in %s\n", install.files, install.place);
    return 0;
}
