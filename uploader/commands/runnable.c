/* SPDX-License-Identifier: Apache-2.0 */
#include "runnable.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NOT_FOUND = 127, NOT_RUNNABLE = 126, SCRIPT_DEPTH = 4, SCRIPT_LINE = 256 };

#if defined(__x86_64__)
enum { OUR_CLASS = ELFCLASS64, OUR_MACHINE = EM_X86_64 };
#else
#error "name the ELF class and machine of this architecture"
#endif

__attribute__((format(printf, 3, 4))) static int refuse(int status, char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason, RUNNABLE_REASON, format, args);
    va_end(args);
    return status;
}

static bool is_program(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

static bool search(const char *name, char path[PATH_MAX])
{
    const char *directories = getenv("PATH");

    if (strchr(name, '/'))
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    if (!directories)
        directories = "/usr/local/bin:/usr/bin:/bin";
    for (const char *at = directories; *name; at += *at == ':') {
        size_t length = strcspn(at, ":");
        int used = snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, at, length ? "/" : "", name);
        if (used < PATH_MAX && is_program(path))
            return true;
        at += length;
        if (!*at)
            break;
    }
    return false;
}

/* Programs for which the loader ignores LD_PRELOAD, and files that cannot be executed. */
static int check_file(const char *path, char *reason)
{
    struct stat st;

    if (stat(path, &st))
        return refuse(errno == ENOENT || errno == ENOTDIR ? NOT_FOUND : NOT_RUNNABLE, reason, "%s: %s", path,
                      strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(NOT_RUNNABLE, reason, "%s is %s", path,
                      S_ISDIR(st.st_mode) ? "a directory" : "no program");
    if (access(path, X_OK))
        return refuse(NOT_RUNNABLE, reason, "%s: %s", path, strerror(errno));
    if (st.st_mode & (S_ISUID | S_ISGID))
        return refuse(NOT_RUNNABLE, reason,
                      "%s is a set-%s-id program: the loader ignores preloaded libraries there", path,
                      st.st_mode & S_ISUID ? "user" : "group");
    if (geteuid() && getxattr(path, "security.capability", NULL, 0) > 0)
        return refuse(
            NOT_RUNNABLE, reason,
            "%s has file capabilities: the loader ignores preloaded libraries there (getcap shows them)",
            path);
    return 0;
}

static bool find_segment(Elf *elf, uint32_t type, GElf_Phdr *segment)
{
    size_t count = 0;
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count && i < INT_MAX; i++)
        if (gelf_getphdr(elf, (int)i, segment) && segment->p_type == type)
            return true;
    return false;
}

/* true: the program is linked to a library whose name starts like that. */
static bool needs(Elf *elf, const char *library)
{
    GElf_Shdr header;
    GElf_Dyn entry;

    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        Elf_Data *data;
        if (!gelf_getshdr(section, &header) || header.sh_type != SHT_DYNAMIC ||
            !(data = elf_getdata(section, NULL)))
            continue;
        for (int i = 0; gelf_getdyn(data, i, &entry) && entry.d_tag != DT_NULL; i++) {
            const char *name =
                entry.d_tag == DT_NEEDED ? elf_strptr(elf, header.sh_link, entry.d_un.d_val) : NULL;
            if (name && !strncmp(name, library, strlen(library)))
                return true;
        }
    }
    return false;
}

static int check_elf(int fd, Elf *elf, const char *path, char *reason)
{
    char interpreter[PATH_MAX] = "";
    GElf_Ehdr header;
    GElf_Phdr segment;

    if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &header))
        return refuse(NOT_RUNNABLE, reason, "%s is neither an ELF program nor a script that starts with #!",
                      path);
    if (header.e_ident[EI_CLASS] != OUR_CLASS || header.e_machine != OUR_MACHINE)
        return refuse(NOT_RUNNABLE, reason,
                      "%s is a program for another architecture: the library cannot be loaded into it", path);
    if (!find_segment(elf, PT_INTERP, &segment))
        return refuse(NOT_RUNNABLE, reason,
                      "%s is statically linked: there is no loader in it that could preload a library", path);
    if (segment.p_filesz < sizeof interpreter &&
        pread(fd, interpreter, segment.p_filesz, (off_t)segment.p_offset) > 0 &&
        strstr(interpreter, "ld-musl"))
        return refuse(NOT_RUNNABLE, reason, "%s is built for musl: the library needs glibc", path);
    if (needs(elf, "libasan.so"))
        return refuse(
            NOT_RUNNABLE, reason,
            "%s is built with AddressSanitizer, which ends programs where another library is loaded before "
            "it: start it with LD_PRELOAD=libasan.so.N:.../libcprof.so instead",
            path);
    return 0;
}

/* The interpreter of "#!interpreter argument", or false. */
static bool read_interpreter(int fd, char interpreter[SCRIPT_LINE])
{
    char line[SCRIPT_LINE] = "";
    const char *start = line + 2;

    if (pread(fd, line, sizeof line - 1, 0) < 3 || line[0] != '#' || line[1] != '!')
        return false;
    start += strspn(start, " \t");
    snprintf(interpreter, SCRIPT_LINE, "%.*s", (int)strcspn(start, " \t\r\n"), start);
    return *interpreter;
}

static int check(const char *path, char *reason, int depth)
{
    char interpreter[SCRIPT_LINE];
    int rc = check_file(path, reason), fd;
    Elf *elf;

    if (rc)
        return rc;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return 0; /* it may be executed but not read, so only the kernel can tell */
    if (depth && read_interpreter(fd, interpreter)) {
        close(fd);
        return check(interpreter, reason, depth - 1);
    }
    elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    rc = check_elf(fd, elf, path, reason);
    elf_end(elf);
    close(fd);
    return rc;
}

int runnable_check(const char *name, char path[PATH_MAX], char reason[RUNNABLE_REASON])
{
    elf_version(EV_CURRENT);
    if (!search(name, path))
        return refuse(NOT_FOUND, reason, "%s: no such program", name);
    return check(path, reason, SCRIPT_DEPTH);
}
