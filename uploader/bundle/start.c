/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first code of the bundle's uploader. The image may have another C library or none, so the kernel
 * cannot be told where the loader is: PT_INTERP has no relative paths. This file does the kernel's part
 * instead. It maps the loader out of lib/ beside the program, describes both to it, and jumps into it.
 * /proc/self/exe and the process's name and arguments stay those of the uploader.
 *
 * Rules for editing this file: everything marked [early] runs before relocation. It calls no function of
 * another file, uses no pointers in initialised data, and makes raw system calls only.
 */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { HEADERS = 32, PAGE = 4096, MAX_ERRNO = 4095, FAILED = 127 };
enum { HIDDEN = '\1' }; /* stands for the L of LD_ in names of variables */

extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));
extern void _start(void) __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"))) uintptr_t start_boot(uintptr_t *stack);
void start_bundle(void);

/* As in PT_INTERP of this architecture's other programs. */
#if defined(__x86_64__)
#define LOADER "ld-linux-x86-64.so.2"
__asm__(".text\n.globl start_bundle\n.type start_bundle, @function\nstart_bundle:\n"
        "xor %ebp, %ebp\nmov %rsp, %rbx\nmov %rsp, %rdi\nand $-16, %rsp\ncall start_boot\n"
        "mov %rbx, %rsp\nxor %edx, %edx\njmp *%rax\n.size start_bundle, . - start_bundle\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long fourth __asm__("r10") = d, fifth __asm__("r8") = e, sixth __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
#define LOADER "ld-linux-aarch64.so.1"
/* x16: a loader with branch target identification accepts a jump by this register. */
__asm__(".text\n.globl start_bundle\n.type start_bundle, %function\nstart_bundle:\n"
        "mov x29, #0\nmov x30, #0\nmov x19, sp\nmov x0, sp\nbl start_boot\n"
        "mov x16, x0\nmov sp, x19\nmov x0, #0\nbr x16\n.size start_bundle, . - start_bundle\n");

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c,
                     x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#endif

/* The program's headers as the loader gets them: those of the file, and two that GNU ld leaves out of a program
   without a loader. By PT_PHDR the loader knows where the program lies, by PT_INTERP its own name. */
static ElfW(Phdr) program_header[HEADERS];
static const char loader_name[] = LOADER;

/* The loader's path. It is cut to the directory of the libraries once the loader is open. */
static char library_path[PATH_MAX];

static bool is_error(long result)
{
    return (unsigned long)result >= (unsigned long)-MAX_ERRNO;
}

/* [early] */
static size_t length(const char *text)
{
    size_t size = 0;
    while (text[size])
        size++;
    return size;
}

/* [early] */
static void say(const char *text)
{
    call(SYS_write, STDERR_FILENO, (long)text, (long)length(text), 0, 0, 0);
}

/* [early] */
__attribute__((noreturn)) static void give_up(void)
{
    say("cprof: ");
    say(library_path);
    say(" cannot be loaded: the uploader of a bundle needs the bundle's lib/ beside it\n");
    for (;;)
        call(SYS_exit_group, FAILED, 0, 0, 0, 0, 0);
}

/* [early] LD_PRELOAD, LD_LIBRARY_PATH and the others are meant for the program, and lead to libraries of its C
   library. show_variables() undoes it. */
static void hide_variables(char **environment)
{
    for (; *environment; environment++)
        if ((*environment)[0] == 'L' && (*environment)[1] == 'D' && (*environment)[2] == '_')
            (*environment)[0] = HIDDEN;
}

__attribute__((constructor)) static void show_variables(void)
{
    for (char **variable = environ; variable && *variable; variable++)
        if ((*variable)[0] == HIDDEN && (*variable)[1] == 'D' && (*variable)[2] == '_')
            (*variable)[0] = 'L';
}

/* [early] lib/ and the loader's name, beside the program's file. */
static void find_loader(const char *executed)
{
    static const char tail[] = "lib/" LOADER;
    char *path = library_path;
    long size = call(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)path, PATH_MAX, 0, 0);
    size_t end = is_error(size) ? 0 : (size_t)size;

    if (!end)
        for (; executed && executed[end] && end < PATH_MAX; end++)
            path[end] = executed[end];
    while (end && path[end - 1] != '/')
        end--;
    if (end > PATH_MAX - sizeof tail)
        end = 0;
    for (size_t i = 0; i < sizeof tail; i++)
        path[end + i] = tail[i];
}

/* [early] */
static int protection(const ElfW(Phdr) * header)
{
    return (header->p_flags & PF_R ? PROT_READ : 0) | (header->p_flags & PF_W ? PROT_WRITE : 0) |
           (header->p_flags & PF_X ? PROT_EXEC : 0);
}

/* [early] What the file has for this segment, then zeros. Loaders are aligned to larger pages than ours. */
static bool map_segment(int fd, uintptr_t base, const ElfW(Phdr) * header, uintptr_t page)
{
    uintptr_t start = base + header->p_vaddr, first = start / page * page;
    uintptr_t file_end = start + header->p_filesz, end = start + header->p_memsz;
    uintptr_t file_last = (file_end + page - 1) / page * page;
    long at = call(SYS_mmap, (long)first, (long)(file_end - first), protection(header),
                   MAP_PRIVATE | MAP_FIXED, fd, (long)(header->p_offset - (start - first)));

    if (is_error(at))
        return false;
    if (end == file_end)
        return true;
    for (volatile char *byte = (volatile char *)file_end; byte < (volatile char *)file_last; byte++)
        *byte = 0;
    return end <= file_last ||
           !is_error(call(SYS_mmap, (long)file_last, (long)(end - file_last), protection(header),
                          MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS, -1, 0));
}

/* [early] Where the loader was mapped, or 0. */
static uintptr_t map_loader(int fd, ElfW(Ehdr) * elf, uintptr_t page)
{
    ElfW(Phdr) header[HEADERS];
    uintptr_t end = 0;
    long base;

    *elf = (ElfW(Ehdr)){0};
    if (call(SYS_pread64, fd, (long)elf, sizeof *elf, 0, 0, 0) != sizeof *elf || elf->e_phnum > HEADERS ||
        call(SYS_pread64, fd, (long)header, (long)(elf->e_phnum * sizeof *header), (long)elf->e_phoff, 0,
             0) != (long)(elf->e_phnum * sizeof *header))
        return 0;
    for (unsigned i = 0; i < elf->e_phnum; i++)
        if (header[i].p_type == PT_LOAD && header[i].p_vaddr + header[i].p_memsz > end)
            end = header[i].p_vaddr + header[i].p_memsz;
    base = call(SYS_mmap, 0, (long)end, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (is_error(base))
        return 0;
    for (unsigned i = 0; i < elf->e_phnum; i++)
        if (header[i].p_type == PT_LOAD && !map_segment(fd, (uintptr_t)base, &header[i], page))
            return 0;
    return (uintptr_t)base;
}

/* [early] */
static unsigned describe_program(void)
{
    const ElfW(Ehdr) *elf = (const void *)__ehdr_start;
    const ElfW(Phdr) *header = (const void *)(__ehdr_start + elf->e_phoff);
    uintptr_t base = (uintptr_t)__ehdr_start;
    unsigned count = 2;

    program_header[0].p_type = PT_PHDR;
    program_header[0].p_vaddr = (uintptr_t)program_header - base;
    program_header[1].p_type = PT_INTERP;
    program_header[1].p_vaddr = (uintptr_t)loader_name - base;
    program_header[1].p_filesz = program_header[1].p_memsz = sizeof loader_name;
    for (unsigned i = 0; i < elf->e_phnum && count < HEADERS; i++)
        program_header[count++] = header[i];
    return count;
}

/* [early] The directory of the libraries becomes the program's DT_RPATH, which the loader searches before everything
   else. With $ORIGIN there the loader would need /proc. */
static void set_library_path(void)
{
    uintptr_t strings = 0;

    for (size_t end = length(library_path); library_path[end] != '/'; end--)
        library_path[end] = 0;
    for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_STRTAB)
            strings = (uintptr_t)__ehdr_start + entry->d_un.d_ptr;
    for (ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_RPATH)
            entry->d_un.d_val = (uintptr_t)library_path - strings;
}

/* [early] The kernel's stack: the count of arguments, these, 0, the environment, 0, and the auxiliary vector. Returns
   the loader's first instruction. */
uintptr_t start_boot(uintptr_t *stack)
{
    char **environment = (char **)(stack + 1 + stack[0] + 1), **end = environment;
    uintptr_t page = PAGE, base = 0;
    const char *executed = NULL;
    ElfW(auxv_t) * vector;
    ElfW(Ehdr) elf;
    long fd;

    hide_variables(environment);
    while (*end)
        end++;
    vector = (ElfW(auxv_t) *)(end + 1);
    for (const ElfW(auxv_t) *v = vector; v->a_type != AT_NULL; v++)
        if (v->a_type == AT_PAGESZ)
            page = v->a_un.a_val;
        else if (v->a_type == AT_EXECFN)
            executed = (const char *)v->a_un.a_val;
    find_loader(executed);
    fd = call(SYS_openat, AT_FDCWD, (long)library_path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    if (!is_error(fd))
        base = map_loader((int)fd, &elf, page);
    if (!base)
        give_up();
    call(SYS_close, fd, 0, 0, 0, 0, 0);
    set_library_path();
    for (; vector->a_type != AT_NULL; vector++)
        switch (vector->a_type) {
        case AT_BASE:
            vector->a_un.a_val = base;
            break;
        case AT_ENTRY:
            vector->a_un.a_val = (uintptr_t)_start;
            break;
        case AT_PHDR:
            vector->a_un.a_val = (uintptr_t)program_header;
            break;
        case AT_PHNUM:
            vector->a_un.a_val = describe_program();
            break;
        }
    return base + elf.e_entry;
}
