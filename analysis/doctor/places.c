/* SPDX-License-Identifier: Apache-2.0 */
/* The installation, and what LD_PRELOAD names: can it be loaded and started where it is? */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/process/proc_text.h"

enum { GROUPS = 64, TEXT = 4096, PRELOADED_MOST = 4096 };
static const char library_name[] = "libcprof.so";

/* --- as the program's user --- */

/* Whose files they are: a user, its groups, and where its paths lead. */
struct owner_of_files {
    uid_t uid;
    gid_t gid, group[GROUPS];
    size_t groups;
    int root_fd; /* -1: our own root */
};

/* The process, or the uploader of its session, which writes for it. */
static void read_owner(const struct examination *examination, struct owner_of_files *owner)
{
    const struct process *process = &examination->process;
    pid_t pid = process->is_joined && process->uploader ? process->uploader : process->pid;
    char path[64], text[TEXT];
    const char *line;
    int value;

    *owner = (struct owner_of_files){.uid = geteuid(), .root_fd = examination->root_fd};
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!pid || proc_read(path, text, sizeof text) <= 0)
        return;
    owner->uid = proc_number_parse(text, "Uid", &value) ? (uid_t)value : owner->uid;
    owner->gid = proc_number_parse(text, "Gid", &value) ? (gid_t)value : 0;
    line = strstr(text, "\nGroups:\t");
    line = line ? line + strlen("\nGroups:\t") : NULL;
    for (char *end; line && *line != '\n' && owner->groups < GROUPS; line = end + strspn(end, " ")) {
        owner->group[owner->groups] = (gid_t)strtoul(line, &end, 10);
        if (end == line)
            break;
        owner->groups++;
    }
    if (pid == process->pid)
        return;
    snprintf(path, sizeof path, "/proc/%d/root", (int)pid);
    owner->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* What is not allowed to us says nothing of it. */
static void become(const struct owner_of_files *owner)
{
    if (owner->root_fd >= 0 && (fchdir(owner->root_fd) || chroot(".")))
        _exit(0);
    if (owner->uid != geteuid() &&
        (setgroups(owner->groups, owner->group) || setgid(owner->gid) || setuid(owner->uid)))
        _exit(0);
}

int places_as_user(const struct examination *examination, int (*try)(const char *path), const char *path)
{
    struct owner_of_files owner;
    int status = 0;
    pid_t child;

    read_owner(examination, &owner);
    if (owner.root_fd < 0 && owner.uid == geteuid())
        return try(path);
    child = fork();
    if (!child) {
        become(&owner);
        _exit(try(path));
    }
    if (owner.root_fd >= 0 && owner.root_fd != examination->root_fd)
        close(owner.root_fd);
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

static int try_to_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int try_to_execute(const char *path)
{
    return access(path, X_OK) ? errno : 0;
}

static bool is_noexec(const struct examination *examination, const char *path)
{
    struct statvfs fs;
    int fd = examination_open(examination, path);
    bool is = fd >= 0 && !fstatvfs(fd, &fs) && (fs.f_flag & ST_NOEXEC);

    if (fd >= 0)
        close(fd);
    return is;
}

/* --- the library, the uploader --- */

static struct binary read_binary(const struct examination *examination, const char *path)
{
    struct binary binary;
    int fd = examination_open(examination, path);

    if (fd < 0 || binary_read(&binary, fd, true))
        binary = (struct binary){.kind = BINARY_OTHER};
    if (fd >= 0)
        close(fd);
    return binary;
}

static bool is_loadable(const struct binary *binary)
{
    return binary->kind == BINARY_ELF && binary->is_ours && !binary->is_cut;
}

static void check_uploader_libraries(struct examination *examination, const char *uploader,
                                     const struct binary *binary)
{
    char path[PATH_MAX], missing[512] = "";

    if (!*binary->loader)
        return; /* that of a bundle has all it needs beside it */
    if (!examination_has(examination, binary->loader))
        snprintf(missing, sizeof missing, "%s", binary->loader);
    for (unsigned i = 0; i < binary->needed_count; i++)
        if (!examination_find_library(examination, binary, uploader, binary->needed[i], path) &&
            strncmp(binary->needed[i], "ld-linux", 8) != 0)
            snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s%s",
                     *missing ? ", " : "", binary->needed[i]);
    if (*missing)
        FOUND(examination, STOPS,
              "the uploader %s cannot start here, because these are not there: %s\n"
              "Use the bundle (make bundle), which has all it needs, or install Debian's packages that "
              "docs/containers.md "
              "lists",
              uploader, missing);
}

/* Where the library looks for it (preload/session/launch.c). */
static bool find_uploader(const struct examination *examination, const char *library, char uploader[PATH_MAX])
{
    static const char *const beside[] = {"/../bin/cprof-uploader", "/../libexec/cprof/cprof-uploader",
                                         "/cprof-uploader"};
    const char *slash = strrchr(library, '/');

    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        if (!slash ||
            snprintf(uploader, PATH_MAX, "%.*s%s", (int)(slash - library), library, beside[i]) >= PATH_MAX)
            continue;
        if (examination_has(examination, uploader))
            return true;
    }
    return false;
}

/* Without one, what an uploader that is killed had recorded is lost. */
static void check_keeper(struct examination *examination, const char *uploader)
{
    char keeper[PATH_MAX + 32];
    int error;

    snprintf(keeper, sizeof keeper, "%.*s/cprof-keeper",
             (int)(strrchr(uploader, '/') ? strrchr(uploader, '/') - uploader : 0), uploader);
    error = places_as_user(examination, try_to_execute, keeper);
    if (error)
        FOUND(examination, MISSING,
              "%s cannot be started (%s): if the uploader is killed, what was recorded is lost\nInstall it "
              "there",
              keeper, strerror(error));
}

static void check_contents(struct examination *examination, const char *uploader, const char *library)
{
    struct binary binary = read_binary(examination, uploader), its = read_binary(examination, library);

    if (binary.kind == BINARY_SCRIPT)
        return;
    if (!is_loadable(&binary))
        FOUND(examination, STOPS,
              "the uploader %s is no program of this machine, or is damaged\nInstall the one that was built "
              "for it",
              uploader);
    else if (binary.layout && its.layout != binary.layout)
        FOUND(examination, STOPS,
              "%s and %s are of different versions, so the uploader refuses programs\nInstall both from one "
              "build",
              library, uploader);
    else
        check_uploader_libraries(examination, uploader, &binary);
}

static void check_uploader(struct examination *examination, const char *library)
{
    const char *named = examination->options.settings.value[SETTING_UPLOADER].text;
    char uploader[PATH_MAX];
    int error;

    if (examination->process.is_joined || *examination->options.settings.value[SETTING_SOCKET].text)
        return;
    if (!*named && !find_uploader(examination, library, uploader)) {
        FOUND(examination, STOPS,
              "there is no cprof-uploader beside %s, in ../libexec/cprof or in ../bin, so nobody takes the "
              "profiles\nInstall it there, or set CPROF_UPLOADER to its path",
              library);
        return;
    }
    if (*named)
        snprintf(uploader, sizeof uploader, "%s", named);
    error = places_as_user(examination, try_to_execute, uploader);
    if (error) {
        FOUND(examination, STOPS, "the uploader %s cannot be executed: %s\n%s", uploader, strerror(error),
              *named ? "Correct CPROF_UPLOADER, or unset it"
              : error == EACCES
                  ? "Give its file and its directory back their modes (chmod a+x), or install it again"
                  : "Install it again");
        return;
    }
    if (is_noexec(examination, uploader))
        FOUND(examination, STOPS,
              "the uploader %s is on a file system that is mounted noexec\nPut it elsewhere", uploader);
    check_contents(examination, uploader, library);
    check_keeper(examination, uploader);
}

/* Whether the library can be loaded from there. */
static void check_library(struct examination *examination, const char *path)
{
    struct binary binary = read_binary(examination, path);
    int error = places_as_user(examination, try_to_read, path);

    if (error)
        FOUND(examination, STOPS,
              "the library %s cannot be read: %s\nInstall it there, readable for whom it is for, or correct "
              "LD_PRELOAD",
              path, strerror(error));
    else if (!is_loadable(&binary))
        FOUND(examination, STOPS,
              "%s is no library of this machine, or is damaged\nInstall the one that was built for it", path);
    else if (is_noexec(examination, path))
        FOUND(examination, STOPS,
              "%s is on a file system that is mounted noexec, so it cannot be loaded\nPut it elsewhere",
              path);
    else
        check_uploader(examination, path);
}

/* For other users, too? */
static void check_access(struct examination *examination, const char *path)
{
    char part[PATH_MAX];
    struct stat st;

    for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (stat(part, &st) || (st.st_mode & 0011))
            continue;
        FOUND(examination, NOTE,
              "%s may not be entered by other users, so their programs cannot load %s\n"
              "Install cprof in a directory for all (make install) if it is to profile these",
              part, path);
        return;
    }
    if (!stat(path, &st) && !(st.st_mode & 0004))
        FOUND(examination, NOTE,
              "%s may not be read by other users, so their programs cannot load it\nchmod a+r %s", path,
              path);
}

void check_installation(struct examination *examination)
{
    const char *library = examination->library;

    if (examination->process.pid && examination->process.has_library)
        library = examination->process.library;
    else if (examination->process.pid)
        return; /* what LD_PRELOAD names is another check's */
    if (!*library) {
        FOUND(examination, STOPS,
              "libcprof.so is not beside this cprof\nInstall library and uploader from one build");
        return;
    }
    if (strpbrk(library, " :$"))
        FOUND(examination, STOPS,
              "%s cannot be preloaded: LD_PRELOAD takes spaces and colons for separators, and $ for a "
              "variable\nInstall cprof in a directory without them",
              library);
    else if (!examination->process.is_joined && !examination->process.library_is_gone)
        check_library(examination, library);
    if (!examination->process.pid)
        check_access(examination, library);
}

/* --- what is preloaded --- */

/* Or was meant to be: 'libcprof.so', libcprof.so.1 */
static bool is_ours(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strstr(slash ? slash + 1 : path, library_name);
}

static void check_entry(struct examination *examination, const char *entry, const char *where)
{
    char path[PATH_MAX] = "";
    bool exists;

    if (strchr(entry, '$'))
        return; /* the loader knows what it stands for */
    if (!strchr(entry, '/')) {
        exists = examination_find_library(examination, &examination->binary, "/", entry, path);
    } else {
        snprintf(path, sizeof path, "%s", entry);
        exists = (*entry != '/' && examination->root_fd >= 0) || examination_has(examination, entry);
    }
    if (!is_ours(entry)) {
        struct binary binary = read_binary(examination, path);
        if (!exists || binary.kind != BINARY_ELF)
            FOUND(examination, NOTE,
                  "%s names %s, which is %s: the loader says so at the start of each program\n"
                  "Take it out, or write the whole path of a library",
                  where, entry, exists ? "no library" : "not there");
        return;
    }
    if (!exists)
        FOUND(examination, STOPS, "%s names %s, which is not there%s, so the loader leaves it out\n%s", where,
              entry, examination->root_fd >= 0 ? " (in that root directory)" : "",
              examination->root_fd >= 0
                  ? "Copy the bundle (make bundle) to that place in the image or chroot, or mount it there"
                  : "Correct the path, or install it there");
    else if (*entry != '/' && strchr(entry, '/'))
        FOUND(examination, MISSING,
              "%s names %s, a relative path: it counts from the working directory of each program, so "
              "programs that start elsewhere are not profiled\nWrite the whole path",
              where, entry);
    else
        check_library(examination, path);
}

static void check_list(struct examination *examination, const char *list, const char *where)
{
    for (const char *at = list; *at; at += strspn(at, ": \t\n")) {
        size_t length = strcspn(at, ": \t\n");
        char entry[PATH_MAX];
        snprintf(entry, sizeof entry, "%.*s", (int)length, at);
        if (length)
            check_entry(examination, entry, where);
        at += length;
    }
}

void check_preload(struct examination *examination)
{
    const struct process *process = &examination->process;
    char text[PRELOADED_MOST] = "";
    int fd = examination_open(examination, "/etc/ld.so.preload");
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = 0;
    if (process->has_library)
        return;
    check_list(examination, process->pid ? process->preload : examination->preloaded, "LD_PRELOAD");
    check_list(examination, text, "/etc/ld.so.preload");
}
