/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/real/real.h"
#include "sampler/base/nofault.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/segment/layout.h"

/* Sizes of what is read. Anything longer is not examined, because threads may have small stacks. */
enum { HEAD = 2048, INTERPRETER = 256, PATH = 1024, SCRIPTS = 5, ENTRIES = 4096 };
static const char preload[] = "LD_PRELOAD=";
enum { PRELOAD = sizeof preload - 1 };

/* The first bytes of this library: its own ELF header. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* ---- the list in LD_PRELOAD, separated by colons or blanks */

static bool is_ours(const char *entry, size_t length, const char *library_path)
{
    static const char name[] = "libcprof.so";
    size_t tail = sizeof name - 1;
    if (length && length == strlen(library_path) && !memcmp(entry, library_path, length))
        return true;
    return length >= tail && !memcmp(entry + length - tail, name, tail) &&
           (length == tail || entry[length - tail - 1] == '/');
}

/* Copies a list without our entries; to may be from. */
static void shorten(char *to, const char *from, const char *library_path)
{
    char *start = to;
    while (*from) {
        size_t length = strcspn(from, ": "), whole = length + (from[length] != 0);
        if (!is_ours(from, length, library_path)) {
            memmove(to, from, whole);
            to += whole;
        }
        from += whole;
    }
    while (to > start && strchr(": ", to[-1]))
        to--;
    *to = 0;
}

void follow_nobody(char **environment, const char *library_path)
{
    for (; environment && *environment; environment++) {
        if (strncmp(*environment, preload, PRELOAD) != 0)
            continue;
        shorten(*environment + PRELOAD, *environment + PRELOAD, library_path);
        if ((*environment)[PRELOAD])
            return;
        do
            environment[0] = environment[1];
        while (*environment++);
        return;
    }
}

static const char *find_in(const char *list, size_t *length)
{
    for (; *list; list += *length + (list[*length] != 0)) {
        *length = strcspn(list, ": ");
        if (is_ours(list, *length, real_seen.library_path))
            return list;
    }
    return NULL;
}

/* ---- what the program handed over may lie nowhere: the kernel says so, by EFAULT */

/* The page that was found readable last; 0: none. */
struct readable {
    uintptr_t page;
};

static bool can_read(struct readable *readable, const void *address)
{
    uintptr_t page = (uintptr_t)address / LAYOUT_PAGE;
    if (page == readable->page)
        return page;
    if (!nofault_can_read(address, 1))
        return false;
    readable->page = page;
    return true;
}

/* A string is read up to its end, or as far as limit bytes. */
static bool can_read_string(struct readable *readable, const char *string, size_t limit)
{
    for (; limit; string++, limit--) {
        if (!can_read(readable, string))
            return false;
        if (!*string)
            return true;
    }
    return true;
}

/* *variable: the one that the loader takes, the last of that name. *entries: without the closing NULL. false:
   something cannot be read, or is longer than what is looked at. */
static bool read_environment(char *const *environment, const char **variable, size_t *entries)
{
    struct readable array = {0}, strings = {0};

    *variable = NULL;
    for (*entries = 0; environment; environment++, (*entries)++) {
        if (!can_read(&array, environment) || !can_read(&array, (const char *)(environment + 1) - 1))
            return false;
        if (!*environment)
            break;
        if (*entries == ENTRIES || !can_read_string(&strings, *environment, PRELOAD))
            return false;
        if (!strncmp(*environment, preload, PRELOAD))
            *variable = *environment;
    }
    return !*variable || can_read_string(&strings, *variable, SIZE_MAX);
}

/* ---- the program's file */

struct file {
    long fd;
    union {
        char byte[HEAD];
        ElfW(Ehdr) elf;
    };
    size_t size; /* bytes of the head that there are */
};

static bool read_at(const struct file *file, uint64_t offset, void *to, size_t size)
{
    if (offset <= file->size && size <= file->size - offset) {
        memcpy(to, file->byte + offset, size);
        return true;
    }
    memset(to, 0, size);
    return sys_call(SYS_pread64, file->fd, to, size, offset) == (long)size;
}

static bool find_header(const struct file *file, unsigned type, ElfW(Phdr) * header)
{
    for (unsigned i = 0; i < file->elf.e_phnum; i++)
        if (read_at(file, file->elf.e_phoff + i * sizeof *header, header, sizeof *header) &&
            header->p_type == type)
            return true;
    return false;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat a = {0}, b = {0};
    return !sys_call(SYS_newfstatat, AT_FDCWD, one, &a, 0) &&
           !sys_call(SYS_newfstatat, AT_FDCWD, other, &b, 0) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* The library works with each version of glibc and of musl that a distribution has where both say. */
static bool is_known_loader(const char *path)
{
#if defined(__x86_64__)
    static const char glibc[] = "/lib64/ld-linux-x86-64.so.2", musl[] = "/lib/ld-musl-x86_64.so.1";
#else
    static const char glibc[] = "/lib/ld-linux-aarch64.so.1", musl[] = "/lib/ld-musl-aarch64.so.1";
#endif
    return !strcmp(path, glibc) || !strcmp(path, musl);
}

/* The loader tells the C library: each has one at a path of its own, and so has each version that somebody
   keeps beside another. A program without one is static, and ignores LD_PRELOAD. */
static bool has_our_loader(const struct file *file)
{
    const char *ours = real_seen.interpreter;
    char path[INTERPRETER];
    ElfW(Phdr) header;

    if (!find_header(file, PT_INTERP, &header))
        return true;
    if (header.p_filesz < 2 || header.p_filesz > sizeof path ||
        !read_at(file, header.p_offset, path, header.p_filesz))
        return false;
    path[header.p_filesz - 1] = 0;
    return is_known_loader(path) || (ours && (!strcmp(path, ours) || is_same_file(path, ours)));
}

static bool file_offset(const struct file *file, uint64_t address, uint64_t *offset)
{
    ElfW(Phdr) header;
    for (unsigned i = 0; i < file->elf.e_phnum; i++) {
        if (!read_at(file, file->elf.e_phoff + i * sizeof header, &header, sizeof header) ||
            header.p_type != PT_LOAD || address < header.p_vaddr ||
            address - header.p_vaddr >= header.p_filesz)
            continue;
        *offset = address - header.p_vaddr + header.p_offset;
        return true;
    }
    return false;
}

/* AddressSanitizer's run-time ends a program in which another library comes before it. */
static bool needs_to_be_first(const struct file *file)
{
    static const char name[] = "libasan.so";
    ElfW(Phdr) dynamic;
    ElfW(Dyn) entry;
    uint64_t strings = 0;
    char text[sizeof name - 1];

    if (!find_header(file, PT_DYNAMIC, &dynamic))
        return false;
    for (uint64_t at = 0; at < dynamic.p_filesz && !strings; at += sizeof entry)
        if (!read_at(file, dynamic.p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL ||
            (entry.d_tag == DT_STRTAB && !file_offset(file, entry.d_un.d_ptr, &strings)))
            return false;
    for (uint64_t at = 0; at < dynamic.p_filesz; at += sizeof entry) {
        if (!read_at(file, dynamic.p_offset + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_NEEDED && read_at(file, strings + entry.d_un.d_val, text, sizeof text) &&
            !memcmp(text, name, sizeof text))
            return true;
    }
    return false;
}

static bool is_elf(const struct file *file)
{
    return file->size >= sizeof file->elf && !memcmp(file->byte, ELFMAG, SELFMAG);
}

static bool loads_us(const struct file *file)
{
    const ElfW(Ehdr) *elf = &file->elf;
    return elf->e_ident[EI_CLASS] == __ehdr_start.e_ident[EI_CLASS] &&
           elf->e_ident[EI_DATA] == __ehdr_start.e_ident[EI_DATA] &&
           elf->e_machine == __ehdr_start.e_machine && elf->e_phentsize == sizeof(ElfW(Phdr)) &&
           has_our_loader(file) && !needs_to_be_first(file);
}

/* The interpreter of a script. false: it is none. */
static bool read_script(const struct file *file, char interpreter[INTERPRETER])
{
    size_t at = 2, length = 0;
    if (file->size < 3 || file->byte[0] != '#' || file->byte[1] != '!')
        return false;
    while (at < file->size && strchr(" \t", file->byte[at]))
        at++;
    while (at < file->size && length < INTERPRETER - 1 && file->byte[at] &&
           !strchr(" \t\r\n", file->byte[at]))
        interpreter[length++] = file->byte[at++];
    interpreter[length] = 0;
    return length;
}

static bool open_program(const struct follow_program *program, struct file *file, bool *is_own_fd)
{
    struct stat st = {0};

    *is_own_fd = false;
    file->fd = program->directory;
    if (program->flags & AT_EMPTY_PATH && !*program->path)
        return true;
    if (sys_call(SYS_newfstatat, program->directory, program->path, &st, 0) || !S_ISREG(st.st_mode))
        return false;
    file->fd = sys_call(SYS_openat, program->directory, program->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *is_own_fd = true;
    return file->fd >= 0;
}

/* false: the library would keep this program from starting, or make it complain. A program that cannot be
   read is assumed to be fine. */
static bool can_follow(struct follow_program program)
{
    char interpreter[INTERPRETER];
    struct file file = {0};

    for (int scripts = 0; scripts < SCRIPTS; scripts++) {
        bool is_own_fd, is_script, fits;
        long size;
        if (!open_program(&program, &file, &is_own_fd))
            return true;
        size = sys_call(SYS_pread64, file.fd, file.byte, sizeof file.byte, 0);
        file.size = size > 0 ? (size_t)size : 0;
        fits = !is_elf(&file) || loads_us(&file);
        is_script = read_script(&file, interpreter);
        if (is_own_fd)
            sys_call(SYS_close, file.fd);
        if (!is_script)
            return fits;
        program = (struct follow_program){AT_FDCWD, interpreter, 0, 0};
    }
    return true;
}

/* ---- where it is */

static const char *find_path(void)
{
    for (char **at = environ; at && *at; at++)
        if (!strncmp(*at, "PATH=", 5))
            return *at + 5;
    return "/bin:/usr/bin";
}

static bool is_executable(const char *path)
{
    struct stat st = {0};
    return !sys_call(SYS_newfstatat, AT_FDCWD, path, &st, 0) && S_ISREG(st.st_mode) &&
           !sys_call(SYS_faccessat, AT_FDCWD, path, X_OK);
}

/* As execvp() goes along PATH. */
static bool can_follow_searched(const char *name)
{
    char path[PATH];
    size_t tail = strlen(name) + 1;

    for (const char *at = find_path();; at++) {
        size_t length = strcspn(at, ":");
        if (length + 1 + tail <= sizeof path) {
            memcpy(path, at, length);
            path[length] = '/';
            memcpy(path + (length ? length + 1 : 0), name, tail);
            if (is_executable(path))
                return can_follow((struct follow_program){AT_FDCWD, path, 0, 0});
        }
        at += length;
        if (!*at)
            return true;
    }
}

/* Not so after chroot(), or in a mount namespace of its own. A name alone is looked for by the loader. */
static bool is_library_there(const char *entry, size_t length)
{
    char path[PATH];
    if (length >= sizeof path || !memchr(entry, '/', length) || memchr(entry, '$', length))
        return true;
    memcpy(path, entry, length);
    path[length] = 0;
    return !sys_call(SYS_faccessat, AT_FDCWD, path, R_OK);
}

size_t follow_room(const struct follow_program *program, char *const *environment)
{
    struct readable readable = {0};
    const char *variable, *entry;
    size_t length = 0, entries;

    if (!seccomp_allows(CALLS_FOLLOW) || !read_environment(environment, &variable, &entries) || !variable ||
        !(entry = find_in(variable + PRELOAD, &length)) || !can_read_string(&readable, program->path, PATH))
        return 0;
    if (is_library_there(entry, length) &&
        (program->is_searched && !strchr(program->path, '/') ? can_follow_searched(program->path)
                                                             : can_follow(*program)))
        return 0;
    return (entries + 1) * sizeof(char *) + strlen(variable) + 1;
}

char **follow_strip(void *room, char *const *environment)
{
    const char *variable;
    size_t kept = 0, entries;
    if (!read_environment(environment, &variable, &entries) || !variable)
        return memset(room, 0, sizeof(char *)); /* another thread changes it */
    char **copy = room, *text = (char *)(copy + entries + 1);

    memcpy(text, preload, PRELOAD);
    shorten(text + PRELOAD, variable + PRELOAD, real_seen.library_path);
    for (; *environment; environment++)
        if (*environment != variable)
            copy[kept++] = *environment;
        else if (text[PRELOAD])
            copy[kept++] = text;
    copy[kept] = NULL;
    return copy;
}
