/* SPDX-License-Identifier: Apache-2.0 */
/* What is inside of the program and its libraries, and what that does to profiles. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/packages/packages.h"

enum { NAMED_PERCENT = 85, UNWOUND_PERCENT = 50, LIBRARIES_MOST = 128, SHOWN_MOST = 8 };

/* --- allocators --- */

void check_allocator(struct examination *examination)
{
    const struct binary *binary = &examination->binary;
    const char *whose = binary->sanitizer ? binary->sanitizer : binary->allocator;
    const char *remedy = binary->sanitizer
                             ? "Build it without -fsanitize"
                             : "Link the allocator as a shared library, or build without it and preload it "
                               "(LD_PRELOAD=.../libcprof.so:libjemalloc.so.2)";

    if (binary->needs_to_be_first)
        return;
    if (binary->exports_malloc)
        FOUND(examination, MISSING,
              "%s has its own malloc() inside%s%s: what it allocates is not in the memory profile, only what "
              "that maps. "
              "All other profiles are whole\n%s",
              examination->path, whose ? ", of " : "", whose ? whose : "", remedy);
    else if (binary->allocator)
        FOUND(examination, MISSING,
              "%s has %s inside, under names of its own: what it allocates by these is not in the memory "
              "profile, only "
              "what that maps. All other profiles are whole\n"
              "Build it with the C library's malloc(), or with the allocator as a shared library",
              examination->path, binary->allocator);
}

/* --- programs that run other programs --- */

static const struct {
    const char *name;
    enum finding_level level;
    const char *text, *remedy;
} runtimes[] = {
    {"java", FINDING_MISSING, "Java methods have no names, and the Java heap is not in the memory profile",
     "jcmd PID Compiler.perfmap writes the names (JDK 17 or later); -XX:+PreserveFramePointer makes stacks "
     "whole"},
    {"node", FINDING_MISSING,
     "functions of JavaScript have no names, and its heap is in the memory profile as mappings only",
     "Start it with --perf-basic-prof"},
    {"nodejs", FINDING_MISSING,
     "functions of JavaScript have no names, and its heap is in the memory profile as mappings only",
     "Start it with --perf-basic-prof"},
    {"python3", FINDING_MISSING, "functions of Python are shown as the interpreter's C functions",
     "Python 3.12 or later names them with -X perf"},
    {"perl", FINDING_MISSING, "functions of Perl are shown as the interpreter's C functions",
     "For Perl's own functions use Devel::NYTProf"},
    {"ruby", FINDING_MISSING, "functions of Ruby are shown as the interpreter's C functions",
     "For Ruby's own functions use a profiler of Ruby's, such as stackprof"},
    {"php", FINDING_MISSING, "functions of PHP are shown as the interpreter's C functions",
     "For PHP's own functions use a profiler of PHP's, such as excimer"},
    {"lua", FINDING_MISSING, "functions of Lua are shown as the interpreter's C functions", NULL},
    {"dotnet", FINDING_MISSING, "methods of .NET have no names", "Set DOTNET_PerfMapEnabled=1"},
    {"qemu-", FINDING_NOTE, "what the emulated machine runs is generated code, which has no names", NULL},
};

/* python3.11, php8.2, java: a number may follow, and nothing else. */
static bool is_called(const char *base, const char *name)
{
    size_t length = strlen(name);

    if (strncmp(base, name, length) != 0)
        return false;
    return name[length - 1] == '-' || !base[length + strspn(base + length, "0123456789.")];
}

static bool is_in_list(const char *list, const char *item)
{
    return list && strstr(list, item);
}

void check_runtime(struct examination *examination)
{
    const char *slash = strrchr(examination->path, '/'), *base = slash ? slash + 1 : examination->path;

    if (examination->binary.is_go)
        FOUND(examination, MISSING,
              "%s is made by Go: its heap is in the memory profile as mappings only, and waits of goroutines "
              "are not seen. "
              "CPU time is whole\nFor these use Go's own net/http/pprof",
              examination->path);
    if (examination->process.pid && !examination->process.has_jit && is_called(base, "node"))
        return;
    if (is_in_list(settings_getenv(examination->environment, "NODE_OPTIONS"), "--perf-basic-prof") &&
        is_called(base, "node"))
        return;
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (is_called(base, runtimes[i].name)) {
            findings_add(&examination->findings, runtimes[i].level, examination->check, "%s: %s%s%s", base,
                         runtimes[i].text, runtimes[i].remedy ? "\n" : "",
                         runtimes[i].remedy ? runtimes[i].remedy : "");
            break;
        }
}

/* --- names --- */

static struct file_search search_of(const struct examination *examination)
{
    return (struct file_search){.root_fd = examination->root_fd,
                                .debug_path = examination->options.settings.value[SETTING_DEBUG_PATH].text};
}

static bool read_names(const struct examination *examination, const char *path, struct binary_names *names)
{
    struct file_search search = search_of(examination);

    return !binary_read_names(names, examination_open(examination, path), path, &search);
}

static struct process_files files_of(const struct examination *examination)
{
    return (struct process_files){.root_fd = examination->root_fd, .exe_fd = -1};
}

/* The package that has the symbols of the file. A list may have another path of it, without links. */
static bool find_package(const struct examination *examination, const char *path,
                         char name[PACKAGE_NAME_MOST])
{
    struct process_files source = files_of(examination);
    char self[64], real[PATH_MAX];
    struct elf_file file;
    int fd = examination_open(examination, path);
    size_t root = strlen(examination->root);
    ssize_t length;
    bool found;

    if (fd < 0)
        return false;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    length = readlink(self, real, sizeof real - 1);
    real[length > 0 ? length : 0] = 0;
    if (elf_file_open(&file, fd))
        return false;
    found = package_by_note(&file, name);
    elf_file_close(&file);
    if (!found && !strncmp(real, examination->root, root))
        found = package_by_path(&source, real + root, name);
    return found || package_by_path(&source, path, name);
}

static const char *debug_server(const struct examination *examination)
{
    struct process_files source = files_of(examination);
    return package_server(&source);
}

static bool asks_servers(const struct examination *examination)
{
    const char *urls = settings_getenv(examination->environment, "DEBUGINFOD_URLS");
    return urls && *urls;
}

static void say_stripped(struct examination *examination, const struct binary_names *names)
{
    char package[PACKAGE_NAME_MOST] = "";
    const char *server = debug_server(examination);
    bool is_packaged = find_package(examination, examination->path, package);

    if (names->has_build_id && asks_servers(examination))
        FOUND(examination, NOTE,
              "%s is stripped: names of %u %% of its code come from DEBUGINFOD_URLS, if that has them",
              examination->path, 100 - names->percent);
    else
        FOUND(examination, MISSING,
              "%s is stripped: %u %% of its code has no names and is shown as addresses\n%s%s%s%s%s",
              examination->path, 100 - names->percent, is_packaged ? "Install " : "",
              is_packaged
                  ? package
                  : "Do not strip it, or put its debug file beside it (objcopy --add-gnu-debuglink), or set "
                    "CPROF_DEBUG_PATH",
              is_packaged && server ? ", or set DEBUGINFOD_URLS=" : "", is_packaged && server ? server : "",
              names->has_build_id ? "" : ". It has no build id, so no server can know it");
}

void check_symbols(struct examination *examination)
{
    struct binary_names names;

    if (program_is_shell(examination) || !read_names(examination, examination->path, &names))
        return;
    if (names.percent < NAMED_PERCENT)
        say_stripped(examination, &names);
    else if (!names.has_lines && !examination->binary.is_go)
        FOUND(examination, NOTE,
              "%s has no debug information: functions have names, but no lines, and inlined functions are "
              "not shown\n"
              "Build it with -g, or install its debug package",
              examination->path);
}

void check_unwind(struct examination *examination)
{
    const struct binary *binary = &examination->binary;
    struct binary_names names;

    if (binary->is_go || !read_names(examination, examination->path, &names) ||
        (binary->has_unwind && names.percent_unwound >= UNWOUND_PERCENT))
        return;
    FOUND(examination, MISSING,
          "%s has no call frame information (.eh_frame) for %s: stacks lack callers there, unless it is "
          "built with "
          "frame pointers\n"
          "Build it with -fasynchronous-unwind-tables, or with -fno-omit-frame-pointer",
          examination->path, binary->has_unwind ? "most of its functions" : "its functions");
}

/* --- libraries --- */

struct libraries {
    char path[LIBRARIES_MOST][PATH_MAX];
    unsigned count;
    char names[512]; /* of those without names */
    unsigned nameless;
};

static bool add_library(struct libraries *libraries, const char *path)
{
    for (unsigned i = 0; i < libraries->count; i++)
        if (!strcmp(libraries->path[i], path))
            return false;
    if (libraries->count == LIBRARIES_MOST)
        return false;
    snprintf(libraries->path[libraries->count++], PATH_MAX, "%s", path);
    return true;
}

static bool is_found(const struct libraries *libraries, const char *name)
{
    for (unsigned i = 0; i < libraries->count; i++) {
        const char *slash = strrchr(libraries->path[i], '/');
        if (slash && !strcmp(slash + 1, name))
            return true;
    }
    return false;
}

/* musl's loader is its C library. */
static bool is_loader(const struct examination *examination, const char *name)
{
    const char *loader = examination->binary.loader, *slash = strrchr(loader, '/');
    return (slash && !strcmp(slash + 1, name)) || (strstr(loader, "ld-musl") && !strncmp(name, "libc.", 5));
}

static void follow_needed(struct examination *examination, struct libraries *libraries,
                          const struct binary *binary, const char *origin)
{
    char path[PATH_MAX];

    for (unsigned i = 0; i < binary->needed_count; i++) {
        const char *name = binary->needed[i];
        if (is_found(libraries, name) || is_loader(examination, name))
            continue;
        if (examination_find_library(examination, binary, origin, name, path) ||
            examination_find_library(examination, &examination->binary, examination->path, name, path))
            add_library(libraries, path);
        else
            FOUND(examination, STOPS,
                  "%s needs %s, which is not found here, so %s cannot start\nInstall it, or set "
                  "LD_LIBRARY_PATH as for the program's own start",
                  origin, name, examination->path);
    }
}

static void add_nameless(struct examination *examination, struct libraries *libraries, const char *path)
{
    char package[PACKAGE_NAME_MOST];
    const char *name = strrchr(path, '/') + 1;
    struct binary_names names;
    size_t used = strlen(libraries->names);

    if (!read_names(examination, path, &names) || names.percent >= NAMED_PERCENT ||
        ++libraries->nameless > SHOWN_MOST)
        return;
    if (find_package(examination, path, package))
        snprintf(libraries->names + used, sizeof libraries->names - used, "%s%s (%s)", used ? ", " : "", name,
                 package);
    else
        snprintf(libraries->names + used, sizeof libraries->names - used, "%s%s", used ? ", " : "", name);
}

static void collect(struct examination *examination, struct libraries *libraries)
{
    const struct process *process = &examination->process;

    for (unsigned i = 0; i < process->mapped_count; i++)
        if (!process->mapped[i].is_deleted && strcmp(process->mapped[i].path, examination->path) != 0 &&
            strstr(process->mapped[i].path, ".so"))
            add_library(libraries, process->mapped[i].path);
    if (process->pid)
        return;
    follow_needed(examination, libraries, &examination->binary, examination->path);
    for (unsigned i = 0; i < libraries->count; i++) {
        struct binary binary;
        int fd = examination_open(examination, libraries->path[i]);
        if (fd < 0)
            continue;
        if (!binary_read(&binary, fd, true))
            follow_needed(examination, libraries, &binary, libraries->path[i]);
        close(fd);
    }
}

void check_libraries(struct examination *examination)
{
    struct libraries *libraries = calloc(1, sizeof *libraries);

    if (!libraries)
        return;
    if (examination->process.pid || *examination->binary.loader)
        collect(examination, libraries);
    for (unsigned i = 0; i < libraries->count && !program_is_shell(examination); i++)
        add_nameless(examination, libraries, libraries->path[i]);
    if (libraries->nameless && !asks_servers(examination))
        FOUND(examination, NOTE,
              "libraries that have names of exported functions only, %u of %u: %s%s\n"
              "The packages in brackets have the other names, or set DEBUGINFOD_URLS%s%s",
              libraries->nameless, libraries->count, libraries->names,
              libraries->nameless > SHOWN_MOST ? " and others" : "", debug_server(examination) ? "=" : "",
              debug_server(examination) ? debug_server(examination) : "");
    free(libraries);
}
