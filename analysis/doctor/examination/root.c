/* SPDX-License-Identifier: Apache-2.0 */
/* The root directory in which paths are meant, and what a loader finds there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examination.h"
#include "uploader/process/rooted.h"

enum { CACHE_MOST = 4 << 20 };

/* A root without /proc has no way from a path's descriptor to one that reads. */
static int open_plain(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    if (fd < 0)
        return -errno;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return -EINVAL;
}

int examination_open(const struct examination *examination, const char *path)
{
    int fd = rooted_open(examination->root_fd, path);

    return fd == -ENOENT && examination->root_fd < 0 ? open_plain(path) : fd;
}

int examination_walk(const struct examination *examination, const char *path)
{
    int fd;

    if (examination->root_fd >= 0)
        return rooted_walk(examination->root_fd, path);
    fd = open(path, O_PATH | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool examination_has(const struct examination *examination, const char *path)
{
    int fd = examination_walk(examination, path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

bool examination_real(const struct examination *examination, const char *path, char real[PATH_MAX])
{
    int fd = examination_walk(examination, path);
    size_t root = strlen(examination->root);
    char self[64];
    ssize_t length;

    if (fd < 0)
        return false;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    length = readlink(self, real, PATH_MAX - 1);
    close(fd);
    if (length <= 0) /* /proc is not there */
        return examination->root_fd < 0 && realpath(path, real);
    real[length] = 0;
    if (root && !strncmp(real, examination->root, root) && real[root] == '/')
        memmove(real, real + root, strlen(real + root) + 1);
    return true;
}

/* --- libraries --- */

static bool is_there(const struct examination *examination, const char *directory, size_t length,
                     const char *origin, const char *name, char path[PATH_MAX])
{
    static const char *const forms[] = {"$ORIGIN", "${ORIGIN}"};
    int fd, used = -1;

    for (int i = 0; i < 2; i++) {
        size_t form = strlen(forms[i]);
        if (length >= form && !memcmp(directory, forms[i], form))
            used =
                snprintf(path, PATH_MAX, "%s%.*s/%s", origin, (int)(length - form), directory + form, name);
    }
    if (used < 0)
        used = snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directory, name);
    if (!length || used >= PATH_MAX || *path != '/')
        return false;
    fd = examination_open(examination, path);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool find_in_list(const struct examination *examination, const char *list, const char *origin,
                         const char *name, char path[PATH_MAX])
{
    while (list && *list) {
        size_t length = strcspn(list, ":");
        if (is_there(examination, list, length, origin, name, path))
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

/* The loader's cache has the paths as texts. */
static bool find_in_cache(const struct examination *examination, const char *name, char path[PATH_MAX])
{
    int fd = examination_open(examination, "/etc/ld.so.cache");
    size_t length = strlen(name) + 1;
    char *text = fd >= 0 ? malloc(CACHE_MOST) : NULL;
    ssize_t size = text ? read(fd, text, CACHE_MOST) : 0;
    bool found = false;

    for (char *at = text, *end = text + size; !found && size > 0 && at < end;) {
        char *slash = memmem(at, (size_t)(end - at), name, length), *start = slash;
        if (!slash)
            break;
        at = slash + 1;
        while (start > text && start[-1])
            start--;
        if (slash > start && slash[-1] == '/' && slash - start < PATH_MAX - 256)
            found = is_there(examination, start, (size_t)(slash - start) - 1, "", name, path);
    }
    free(text);
    if (fd >= 0)
        close(fd);
    return found;
}

bool examination_find_library(const struct examination *examination, const struct binary *binary,
                              const char *origin, const char *name, char path[PATH_MAX])
{
    static const char usual[] = "/lib/x86_64-linux-gnu:/usr/lib/x86_64-linux-gnu:/lib/aarch64-linux-gnu:"
                                "/usr/lib/aarch64-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib:/usr/local/lib";
    char directory[PATH_MAX], real[PATH_MAX];

    if (!examination_real(examination, origin, real))
        snprintf(real, sizeof real, "%s", origin);
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(real, '/') - real), real);
    if (strchr(name, '/'))
        return is_there(examination, name, (size_t)(strrchr(name, '/') - name), directory,
                        strrchr(name, '/') + 1, path);
    return find_in_list(examination, binary->run_path, directory, name, path) ||
           find_in_list(examination, settings_getenv(examination->environment, "LD_LIBRARY_PATH"), directory,
                        name, path) ||
           find_in_cache(examination, name, path) || find_in_list(examination, usual, directory, name, path);
}
