/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc says of a process. */

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "examination.h"
#include "uploader/process/proc_text.h"

enum { TEXT_MOST = 16 * 1024, MAPS_MOST = 16 << 20, VARIABLES_MOST = 16384, DEPTH = 32 };
static const char gone[] = " (deleted)", library_name[] = "libcprof.so", segment_name[] = "/memfd:cprof";

/* --- texts of /proc --- */

static void proc_path(char path[64], pid_t pid, const char *name)
{
    snprintf(path, 64, "/proc/%d/%s", (int)pid, name);
}

/* All of a file; *size: its length. malloc'ed, with a NUL; NULL: it cannot be read. */
char *process_text(pid_t pid, const char *name, size_t most, size_t *size)
{
    char path[64], *text = malloc(most + 1);
    ssize_t got = -1;
    int fd;

    proc_path(path, pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    *size = 0;
    while (text && fd >= 0 && *size < most && (got = read(fd, text + *size, most - *size)) > 0)
        *size += (size_t)got;
    if (fd >= 0)
        close(fd);
    if (got < 0) {
        free(text);
        return NULL;
    }
    text[*size] = 0;
    return text;
}

static void read_link(pid_t pid, const char *name, char text[PATH_MAX])
{
    char path[64];
    ssize_t length;

    proc_path(path, pid, name);
    length = readlink(path, text, PATH_MAX - 1);
    text[length > 0 ? length : 0] = 0;
}

static bool cut_end(char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    if (length < tail || strcmp(text + length - tail, end) != 0)
        return false;
    text[length - tail] = 0;
    return true;
}

/* The n-th number of a line, counted from 0. */
static long long number_of(const char *text, const char *name, unsigned n)
{
    const char *line = strstr(text, name);
    char *end;
    long long value;

    if (!line)
        return -1;
    for (line += strlen(name);; line = end) {
        value = strtoll(line, &end, 10);
        if (end == line)
            return -1;
        if (!n--)
            return value;
        end += *end == '/';
    }
}

void process_read_status(struct process *process)
{
    char path[64], text[TEXT_MOST];
    struct stat st;
    int value;

    proc_path(path, process->pid, "status");
    proc_read(path, text, sizeof text);
    sscanf(text, "Name:\t%31[^\n]", process->name);
    process->uid = (uid_t)number_of(text, "\nUid:\t", 1);
    process->parent = (pid_t)number_of(text, "\nPPid:\t", 0);
    process->tracer = (pid_t)number_of(text, "\nTracerPid:\t", 0);
    process->own_pid = proc_number_parse(text, "NSpid", &value) ? value : (int)process->pid;
    process->seccomp = proc_number_parse(text, "Seccomp", &value) ? value : 0;
    process->filters = proc_number_parse(text, "Seccomp_filters", &value) ? value : 1;
    process->usage.threads = number_of(text, "\nThreads:\t", 0);
    process->usage.pending = number_of(text, "\nSigQ:\t", 0);
    process->usage.address_bytes = 1024 * number_of(text, "\nVmSize:", 0);
    process->is_zombie = strstr(text, "\nState:\tZ") || strstr(text, "\nState:\tX");
    proc_path(path, process->pid, "maps");
    process->is_undumpable = !stat(path, &st) && st.st_uid != process->uid && process->uid;
}

/* "Max open files            1024                 524288               files" */
static uint64_t limit_of(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    unsigned long long value;

    return line && sscanf(line + strlen(name), "%llu", &value) == 1 ? value : UINT64_MAX;
}

static int64_t count_files(pid_t pid)
{
    char path[64];
    DIR *list;
    int64_t count = 0;

    proc_path(path, pid, "fd");
    list = opendir(path);
    for (struct dirent *entry; list && (entry = readdir(list));)
        count += *entry->d_name != '.';
    if (list)
        closedir(list);
    return count;
}

static void read_limits(struct process *process)
{
    char path[64], text[TEXT_MOST];

    proc_path(path, process->pid, "limits");
    proc_read(path, text, sizeof text);
    process->usage.pending_limit = limit_of(text, "Max pending signals");
    process->usage.files_limit = limit_of(text, "Max open files");
    process->usage.size_limit = limit_of(text, "Max file size");
    process->usage.address_limit = limit_of(text, "Max address space");
    process->usage.processes_limit = process->uid ? limit_of(text, "Max processes") : UINT64_MAX;
    process->usage.uid = process->uid;
    process->usage.files = count_files(process->pid);
}

static void read_secure(struct process *process)
{
    size_t size;
    char *text = process_text(process->pid, "auxv", TEXT_MOST, &size);
    Elf64_auxv_t entry;

    for (size_t at = 0; text && at + sizeof entry <= size; at += sizeof entry) {
        memcpy(&entry, text + at, sizeof entry);
        if (entry.a_type == AT_SECURE)
            process->is_secure = entry.a_un.a_val;
    }
    free(text);
}

/* --- what it has mapped --- */

static void add_mapped(struct process *process, const char *path, bool is_deleted)
{
    for (unsigned i = 0; i < process->mapped_count; i++)
        if (!strcmp(process->mapped[i].path, path))
            return;
    if (process->mapped_count < MAPPED_MOST)
        process->mapped[process->mapped_count++] = (struct mapped){strdup(path), is_deleted};
}

static void take_mapping(struct process *process, struct proc_mapping *mapping)
{
    char path[PATH_MAX];
    bool is_deleted;
    const char *name;

    process->has_segment |= !strncmp(mapping->path, segment_name, sizeof segment_name - 1);
    if (mapping->flags[2] != 'x')
        return;
    /* libffi and the like map a page or two. */
    if (!*mapping->path && mapping->end - mapping->start >= 65536)
        process->has_jit = true;
    if (*mapping->path != '/' || (size_t)snprintf(path, sizeof path, "%s", mapping->path) >= sizeof path)
        return;
    is_deleted = cut_end(path, gone);
    add_mapped(process, path, is_deleted);
    name = strrchr(path, '/') + 1;
    if (strcmp(name, library_name) != 0)
        return;
    process->has_library = true;
    process->library_is_gone = is_deleted;
    strcpy(process->library, path);
}

static void read_maps(struct process *process)
{
    size_t size;
    char *text = process_text(process->pid, "maps", MAPS_MOST, &size);
    struct proc_mapping mapping;

    process->is_readable = text != NULL;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        if (proc_mapping_parse(line, &mapping))
            take_mapping(process, &mapping);
    }
    free(text);
}

/* --- its environment --- */

/* A list of variables out of the text of /proc/PID/environ. Programs that show a title overwrite it. */
static char **list_of(char *text, size_t size)
{
    size_t count = 0;
    char **list;

    for (size_t at = 0; at < size; at++)
        count += !text[at];
    list = calloc((count < VARIABLES_MOST ? count : VARIABLES_MOST) + 2, sizeof *list);
    count = 0;
    for (size_t at = 0; list && at < size && count < VARIABLES_MOST; at += strlen(text + at) + 1)
        if (strchr(text + at, '='))
            list[count++] = text + at;
    return list;
}

bool process_environment_is_whole(const char *text, size_t size)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-%()";
    size_t at = strcspn(text, "=");

    return !size || (at < size && at && text[at] == '=' && strspn(text, signs) >= at);
}

static void read_environment(struct examination *examination)
{
    struct process *process = &examination->process;
    size_t size;
    char *text = process_text(process->pid, "environ", ENVIRONMENT_MOST, &size), **list;
    const char *preload;

    process->environment_text = text; /* lives as long as the examination */
    if (!text)
        return;
    process->environment_is_whole = process_environment_is_whole(text, size);
    list = list_of(text, process->environment_is_whole ? size : 0);
    if (!list)
        return;
    environ = list; /* settings are read from there */
    examination->environment = list;
    preload = settings_getenv(list, "LD_PRELOAD");
    snprintf(process->preload, sizeof process->preload, "%s", preload ? preload : "");
}

/* --- where its paths lead --- */

static bool is_own_root(int fd)
{
    struct stat its, ours;
    return !fstat(fd, &its) && !stat("/", &ours) && its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

static void read_root(struct examination *examination)
{
    struct process *process = &examination->process;
    char path[64];

    proc_path(path, process->pid, "root");
    examination->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (examination->root_fd >= 0 && is_own_root(examination->root_fd)) {
        close(examination->root_fd);
        examination->root_fd = -1;
    }
    if (examination->root_fd >= 0)
        read_link(process->pid, "root", examination->root);
    if (!strcmp(examination->root, "/"))
        examination->root[0] = 0;
}

static void strip_root(const struct examination *examination, char *path)
{
    size_t root = strlen(examination->root);

    if (root && !strncmp(path, examination->root, root) && path[root] == '/')
        memmove(path, path + root, strlen(path + root) + 1);
}

static void read_program(struct examination *examination)
{
    struct process *process = &examination->process;
    char path[64];
    int fd;

    read_link(process->pid, "exe", examination->path);
    process->is_replaced = cut_end(examination->path, gone);
    strip_root(examination, examination->path);
    for (unsigned i = 0; i < process->mapped_count; i++)
        strip_root(examination, process->mapped[i].path);
    strip_root(examination, process->library);
    strcpy(examination->found, examination->path);
    proc_path(path, process->pid, "exe");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && !binary_read(&examination->binary, fd, false))
        examination->is_known = examination->binary.kind == BINARY_ELF;
    if (fd >= 0)
        close(fd);
}

static bool is_in_other_namespace(pid_t pid, const char *name)
{
    char ours[PATH_MAX], its[PATH_MAX];

    read_link(getpid(), name, ours);
    read_link(pid, name, its);
    return *ours && *its && strcmp(ours, its) != 0;
}

int process_read(struct examination *examination, pid_t pid)
{
    struct process *process = &examination->process;
    char path[64], text[64];

    process->pid = pid;
    proc_path(path, pid, "stat");
    if (proc_read(path, text, sizeof text) <= 0)
        return -ESRCH;
    process_read_status(process);
    read_limits(process);
    read_secure(process);
    read_maps(process);
    read_environment(examination);
    read_root(examination);
    read_program(examination);
    process->other_network = is_in_other_namespace(pid, "ns/net");
    return 0;
}
