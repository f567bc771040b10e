/* SPDX-License-Identifier: Apache-2.0 */
/* The program's file: is it one that the library can be preloaded into? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "checks.h"
#include "uploader/process/proc_text.h"

enum { LEAST_GLIBC = 17 };

/* --- where it is --- */

static bool is_program(const struct examination *examination, const char *path)
{
    char self[64];
    struct stat st;
    int fd = examination_walk(examination, path);
    bool is = fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111);

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    is = is && (examination->root_fd >= 0 || !access(self, X_OK) || (errno == ENOENT && !access(path, X_OK)));
    if (fd >= 0)
        close(fd);
    return is;
}

static bool make_absolute(const char *name, char path[PATH_MAX])
{
    char directory[PATH_MAX] = "";

    while (!strncmp(name, "./", 2))
        name += 2;
    if (*name != '/' && !getcwd(directory, sizeof directory))
        return false;
    return snprintf(path, PATH_MAX, "%s%s%s", directory, *directory ? "/" : "", name) < PATH_MAX;
}

static bool search(const struct examination *examination, const char *name, char path[PATH_MAX])
{
    const char *directories = settings_getenv(examination->environment, "PATH");
    char part[PATH_MAX];

    if (strchr(name, '/'))
        return make_absolute(name, path);
    if (!directories)
        directories = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const char *at = directories; *name; at += *at == ':') {
        size_t length = strcspn(at, ":");
        int used = snprintf(part, PATH_MAX, "%.*s%s%s", (int)length, at, length ? "/" : "", name);
        if (used < PATH_MAX && make_absolute(part, path) && is_program(examination, path))
            return true;
        at += length;
        if (!*at)
            break;
    }
    return false;
}

static bool is_privileged_to_gain_nothing(void)
{
    char text[4096];
    int value = 0;

    return proc_read("/proc/self/status", text, sizeof text) > 0 &&
           proc_number_parse(text, "NoNewPrivs", &value) && value;
}

/* What the kernel would make of its bits. */
static void read_rights(struct examination *examination, int fd)
{
    struct statvfs fs;
    struct stat st;

    if (fstat(fd, &st))
        return;
    examination->set_id = st.st_mode & S_ISUID;
    if ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        examination->set_id |= S_ISGID;
    examination->has_capabilities = fgetxattr(fd, "security.capability", NULL, 0) > 0;
    /* The kernel compares with the real ids; root gains nothing by capabilities. */
    examination->is_own_id = examination->root_fd < 0 &&
                             (!(examination->set_id & S_ISUID) || st.st_uid == getuid()) &&
                             (!(examination->set_id & S_ISGID) || st.st_gid == getgid()) &&
                             (!examination->has_capabilities || !getuid());
    if ((!fstatvfs(fd, &fs) && (fs.f_flag & ST_NOSUID)) ||
        (examination->root_fd < 0 && is_privileged_to_gain_nothing())) {
        examination->set_id = 0;
        examination->has_capabilities = false;
    }
}

/* false: nothing can be said of it. */
static bool read_file(struct examination *examination)
{
    const char *path = examination->path;
    int fd = examination_open(examination, path), error;

    if (fd < 0) {
        examination->is_absent = fd == -ENOENT || fd == -ENOTDIR;
        if (fd == -EINVAL)
            FOUND(examination, STOPS,
                  "%s is no program\nName a program, the number of a process, or a root directory", path);
        else if (fd == -EACCES && is_program(examination, path))
            FOUND(examination, NOTE,
                  "%s may be executed but not read, so nothing can be said of it\nAsk as a user who may read "
                  "it",
                  path);
        else
            FOUND(examination, STOPS, "%s: %s\nCorrect the path", path, strerror(-fd));
        return false;
    }
    read_rights(examination, fd);
    error = binary_read(&examination->binary, fd, examination->quick);
    close(fd);
    if (!error && examination->binary.is_cut)
        error = -ENOEXEC;
    if (error)
        FOUND(examination, STOPS, "%s: %s\nIt is damaged: install it again", path,
              error == -ENOEXEC ? "the file is no complete ELF file" : strerror(-error));
    return !error;
}

/* The program of "#!/usr/bin/env python3", or of "#!/usr/bin/env -S NAME=VALUE python3 -u". Without -S, all behind
   env is one name. "": env says none. */
static void name_behind_env(const char *words, char name[BINARY_TEXT])
{
    bool splits =
        !strncmp(words, "-S", 2) || !strncmp(words, "-vS", 3) || !strncmp(words, "--split-string", 14);

    *name = 0;
    if (!splits && *words != '-' && !strchr(words, '='))
        snprintf(name, BINARY_TEXT, "%s", words);
    for (const char *at = words; splits && *at && !*name; at += strspn(at, " \t")) {
        size_t length = strcspn(at, " \t");
        if (*at != '-' && !memchr(at, '=', length))
            snprintf(name, BINARY_TEXT, "%.*s", (int)length, at);
        at += length;
    }
}

static void say_no_interpreter(struct examination *examination, const char *script, const char *interpreter)
{
    size_t length = strlen(interpreter);

    if (length && interpreter[length - 1] == '\r')
        FOUND(examination, STOPS,
              "the first line of %s ends in a carriage return, which counts as a part of the interpreter's "
              "name %.*s, "
              "so it cannot start\nTake it out: sed -i 's/\\r$//' %s",
              script, (int)length - 1, interpreter, script);
    else
        FOUND(examination, STOPS, "%s: its interpreter %s is not there\nInstall it%s", script, interpreter,
              strpbrk(interpreter, " \t") ? ". Without -S, env takes all behind it for one name" : "");
}

/* false: there is none, which is said. */
static bool find_interpreter(struct examination *examination)
{
    const struct binary *binary = &examination->binary;
    const char *name = strrchr(binary->script, '/');
    char script[PATH_MAX], behind[BINARY_TEXT] = "";

    strcpy(script, examination->path);
    if (name && !strcmp(name, "/env"))
        name_behind_env(binary->script_argument, behind);
    if (*behind ? search(examination, behind, examination->path)
                : make_absolute(binary->script, examination->path) &&
                      examination_has(examination, examination->path))
        return true;
    say_no_interpreter(examination, script, *behind ? behind : binary->script);
    return false;
}

/* From the file at path on, along interpreters of scripts, to the ELF file that is loaded. */
static bool resolve(struct examination *examination)
{
    struct binary *binary = &examination->binary;

    examination->is_script = examination->is_known = false;
    for (int scripts = 0; scripts <= SCRIPTS_MOST; scripts++) {
        if (!read_file(examination))
            return false;
        if (!is_program(examination, examination->path)) {
            FOUND(examination, STOPS, "%s may not be executed\nchmod +x makes it a program",
                  examination->path);
            return false;
        }
        if (binary->kind != BINARY_SCRIPT)
            break;
        examination->is_script = true;
        if (!find_interpreter(examination))
            return false;
    }
    if (binary->kind != BINARY_ELF)
        FOUND(examination, STOPS,
              "%s is neither an ELF program nor a script that starts with #!\nName a program. A script "
              "without that "
              "line is started by its shell: cprof sh %s",
              examination->path, examination->path);
    examination->is_known = binary->kind == BINARY_ELF;
    return examination->is_known;
}

bool program_find(struct examination *examination)
{
    examination->check = "found";
    if (!search(examination, examination->name, examination->found)) {
        examination->is_absent = true;
        FOUND(examination, STOPS, "%s: no such program in PATH\nName its path", examination->name);
        return false;
    }
    strcpy(examination->path, examination->found);
    strcpy(examination->script, examination->found);
    return resolve(examination);
}

bool program_hand_over(struct examination *examination, const char *name)
{
    char path[PATH_MAX];

    if (!search(examination, name, path) || !is_program(examination, path))
        return false;
    strcpy(examination->path, path);
    strcpy(examination->script, path);
    return resolve(examination);
}

void check_found(struct examination *examination)
{
    (void)examination; /* program_find() has asked */
}

/* --- can the library be loaded into it? --- */

static const char *machine_name(unsigned machine)
{
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {{EM_386, "x86 (32 bit)"}, {EM_X86_64, "x86-64"}, {EM_ARM, "arm (32 bit)"},
                 {EM_AARCH64, "arm64"},    {EM_RISCV, "RISC-V"},  {EM_PPC64, "ppc64"},
                 {EM_S390, "s390"},        {EM_MIPS, "mips"},     {EM_LOONGARCH, "LoongArch"}};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].machine == machine)
            return names[i].name;
    return "another machine";
}

void check_machine(struct examination *examination)
{
    const struct binary *binary = &examination->binary;

    if (binary->is_ours)
        return;
    FOUND(examination, STOPS,
          "%s is a program for another architecture, %s%s: the library cannot be loaded into it\n"
          "Use its build for the machine that cprof was built for, or perf",
          examination->path, machine_name(binary->machine),
          binary->machine == EM_X86_64 && binary->bits == 32 ? " with pointers of 32 bit" : "");
}

void check_static(struct examination *examination)
{
    const struct binary *binary = &examination->binary;

    if (!binary->is_ours || *binary->loader)
        return;
    FOUND(
        examination, STOPS,
        "%s is statically linked: there is no loader in it that could preload a library\n%s",
        examination->path,
        binary->is_go
            ? "Build it with cgo for a first look (CGO_ENABLED=1, -ldflags=-linkmode=external), or use Go's "
              "own net/http/pprof"
            : "Link it dynamically (without -static), or use perf. What it starts can be profiled");
}

/* What it loses does not concern whom the bits make no other. */
static void say_own_id(struct examination *examination)
{
    FOUND(examination, MISSING,
          "%s %s: it is profiled if user %u starts it, as here, and not if others do, for whom the loader "
          "ignores "
          "preloaded libraries\nFor others profile a copy of it without %s",
          examination->path,
          !examination->set_id            ? "has file capabilities"
          : examination->set_id & S_ISUID ? "is a set-user-id program"
                                          : "is a set-group-id program",
          (unsigned)getuid(), examination->set_id ? "the bit" : "them");
}

void check_secure(struct examination *examination)
{
    const char *path = examination->path;

    if ((examination->set_id || examination->has_capabilities) && examination->is_own_id)
        say_own_id(examination);
    else if (examination->set_id)
        FOUND(examination, STOPS,
              "%s is a set-%s-id program: the loader ignores preloaded libraries there, unless the %s that "
              "the bit names "
              "starts it\nProfile a copy of it without the bit, started by the user that it is to be",
              path, examination->set_id & S_ISUID ? "user" : "group",
              examination->set_id & S_ISUID ? "user" : "group");
    else if (examination->has_capabilities)
        FOUND(
            examination, STOPS,
            "%s has file capabilities: the loader ignores preloaded libraries there, unless root starts it\n"
            "getcap shows them. Profile a copy (cp does not take them along), or give them by the service "
            "manager "
            "(AmbientCapabilities=)",
            path);
}

/* LD_PRELOAD=libasan.so:.../libcprof.so */
static bool comes_first(const char *preload)
{
    const char *sanitizer = strstr(preload, "asan"), *ours = strstr(preload, "libcprof.so");
    return sanitizer && (!ours || sanitizer < ours);
}

void check_sanitizer(struct examination *examination)
{
    const struct binary *binary = &examination->binary;
    const char *preload = examination->process.pid ? examination->process.preload : examination->preloaded;

    if (!binary->sanitizer || !binary->is_ours || !*binary->loader)
        return;
    if (binary->needs_to_be_first && !comes_first(preload))
        FOUND(examination, STOPS,
              "%s is built with %s, which ends programs where another library is loaded before it\n"
              "Build it without -fsanitize. Or start it with LD_PRELOAD=libasan.so.N:.../libcprof.so instead",
              examination->path, binary->sanitizer);
    else
        FOUND(examination, NOTE,
              "%s is built with %s, whose work is in all figures\nBuild it without -fsanitize for figures "
              "of the program alone",
              examination->path, binary->sanitizer);
}

/* --- its C library --- */

static unsigned glibc_at(const struct examination *examination, const char *path)
{
    struct binary libc;
    int fd = examination_open(examination, path);
    unsigned version = fd >= 0 && !binary_read(&libc, fd, true) ? libc.glibc : 0;

    if (fd >= 0)
        close(fd);
    return version;
}

/* The version of glibc beside the loader; 0: it is no glibc. */
static unsigned glibc_of(const struct examination *examination, const char *loader)
{
    char real[PATH_MAX], path[PATH_MAX + 16];
    unsigned version;

    if (!examination_real(examination, loader, real))
        return 0;
    snprintf(path, sizeof path, "%.*s/libc.so.6", (int)(strrchr(real, '/') - real), real);
    version = glibc_at(examination, path);
    if (!version && !strstr(loader, "musl") &&
        examination_find_library(examination, &examination->binary, loader, "libc.so.6", path))
        version = glibc_at(examination, path);
    return version;
}

static bool is_musl(const struct examination *examination, const char *loader)
{
    char real[PATH_MAX];
    const char *name;

    if (!examination_real(examination, loader, real))
        return false;
    name = strrchr(real, '/');
    return strstr(loader, "ld-musl") || strstr(real, "ld-musl") || (name && !strcmp(name, "/libc.so"));
}

void program_libc(const struct examination *examination, const struct binary *binary, char text[256],
                  bool *known)
{
    unsigned version = glibc_of(examination, binary->loader);

    *known = version >= LEAST_GLIBC;
    if (version) {
        snprintf(text, 256, "glibc 2.%u", version);
        return;
    }
    *known = is_musl(examination, binary->loader);
    snprintf(text, 256, *known ? "musl" : "");
}

static void say_older(struct examination *examination, unsigned version)
{
    if (version < 35)
        FOUND(examination, NOTE,
              "its C library is glibc 2.%u: code that dlmopen() loads has no names, and waits are told from "
              "counts of "
              "context switches, which takes a system call more each\nglibc 2.35 or later has what is needed",
              version);
}

static void check_glibc(struct examination *examination, unsigned version)
{
    const struct binary *binary = &examination->binary;

    if (version < LEAST_GLIBC)
        FOUND(examination, STOPS,
              "its C library is glibc 2.%u, and the library needs 2.%d: the loader ends the program if "
              "LD_PRELOAD "
              "names it\nDo not set LD_PRELOAD there; use a newer image",
              version, LEAST_GLIBC);
    else if (binary->needs_glibc > version)
        FOUND(examination, STOPS,
              "%s needs glibc 2.%u and there is 2.%u, so it cannot start\nBuild it where its libraries are "
              "no newer",
              examination->path, binary->needs_glibc, version);
    else
        say_older(examination, version);
}

static bool is_usual_loader(const char *loader)
{
    static const char *const usual[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1",
                                        "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"};

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strcmp(loader, usual[i]))
            return true;
    return false;
}

void check_libc(struct examination *examination)
{
    const struct binary *binary = &examination->binary;
    const char *loader = binary->loader;
    unsigned version;

    if (!binary->is_ours || !*loader)
        return;
    if (!examination_has(examination, loader)) {
        FOUND(examination, STOPS,
              "%s names the loader %s, which is not there, so it cannot start\nIt is built for another C "
              "library or "
              "distribution: install that, or build it for this one",
              examination->path, loader);
        return;
    }
    version = glibc_of(examination, loader);
    if (version)
        check_glibc(examination, version);
    else if (is_musl(examination, loader))
        FOUND(examination, NOTE,
              "its C library is musl: functions that musl does not export have no names without its debug "
              "file, and the "
              "thread dump does not say who holds a normal mutex");
    else
        FOUND(examination, STOPS,
              "its C library is not known, with the loader %s: if it is neither glibc nor musl, nothing is "
              "profiled\n"
              "Build it for glibc or musl",
              loader);
    if (!is_usual_loader(loader))
        FOUND(examination, NOTE,
              "%s has a loader of its own, %s: it is profiled if it is started directly, and not if a "
              "profiled program "
              "with another loader starts it",
              examination->path, loader);
}

/* --- a shell --- */

static bool is_shell(const char *interpreter)
{
    static const char *const shells[] = {"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "mksh"};
    const char *name = strrchr(interpreter, '/');

    name = name ? name + 1 : interpreter;
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (!strcmp(name, shells[i]))
            return true;
    return false;
}

bool program_is_shell(const struct examination *examination)
{
    return examination->is_script && is_shell(examination->path);
}
