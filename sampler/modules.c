// SPDX-License-Identifier: Apache-2.0
#include "modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h> /* program_invocation_name */
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "cfi.h"
#include "layout.h"
#include "sys.h"

enum { MEMO = 64 };

static int (*find_object)(void *, struct dl_find_object *);
static struct module vdso;
static struct module program;       /* as the kernel mapped it; end 0: not known */
static char program_path[PATH_MAX]; /* "" if not known */
static char start_directory[PATH_MAX];

/* Hashes of modules that are in the segment: spares the look-up in it. Cleared by a new generation. */
static _Atomic uint64_t memo[MEMO];
static _Atomic uint32_t memo_generation;

/* A path in two parts, joined by a slash where there is a directory: whole, it would not fit a handler's
 * stack. */
struct split_path {
    const char *directory, *name;
};

/* The program headers of a mapped ELF file, which start in the first page that is mapped of it. */
static const Elf64_Phdr *program_headers(uintptr_t start, uintptr_t end, unsigned *count)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)start;
    *count = 0;
    if (end - start < sizeof(*header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > LAYOUT_PAGE)
        return NULL;
    if (header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr) > LAYOUT_PAGE)
        return NULL;
    *count = header->e_phnum;
    return (const Elf64_Phdr *)(start + header->e_phoff);
}

/* The bytes from address on that are in the same segment of the file, which has all of these permissions; 0:
   none. There may be unmapped gaps between the segments of a module. */
static size_t mapped_from(const struct module *module, uintptr_t address, uint32_t permissions,
                          uintptr_t *segment_start)
{
    unsigned count;
    const Elf64_Phdr *header = program_headers(module->start, module->end, &count);
    for (; count > 0; count--, header++) {
        uintptr_t low = module->bias + header->p_vaddr;
        if (header->p_type != PT_LOAD || address < low || address - low >= header->p_filesz)
            continue;
        *segment_start = low;
        return (header->p_flags & permissions) == permissions ? header->p_filesz - (address - low) : 0;
    }
    return 0;
}

bool module_frame_memory(const struct module *module, struct cfi_memory *memory)
{
    uintptr_t low = module->start, at = (uintptr_t)module->frame_hdr;
    unsigned count;
    if (at == 0)
        return false;
    size_t size = program_headers(module->start, module->end, &count) ? mapped_from(module, at, PF_R, &low)
                                                                      : module->end - at;
    if (size == 0 || at < module->start || at >= module->end || size > module->end - at)
        return false;
    memory->start = (const uint8_t *)low;
    memory->end = module->frame_hdr + size;
    return true;
}

/* Of a program with gaps between its segments, as lld and -z separate-code with large pages leave them, the
   loader names the one segment that was asked for, which has neither headers nor frames. */
static void widen_program(struct module *module)
{
    if (module->bias != program.bias || module->start < program.start || module->end > program.end)
        return;
    module->start = program.start;
    module->end = program.end;
}

bool module_find(uintptr_t pc, struct module *module)
{
    struct dl_find_object found;
    if (find_object && find_object((void *)pc, &found) == 0) {
        module->start = (uintptr_t)found.dlfo_map_start;
        module->end = (uintptr_t)found.dlfo_map_end;
        module->bias = found.dlfo_link_map->l_addr;
        module->frame_hdr = found.dlfo_eh_frame;
        module->path = found.dlfo_link_map->l_name;
        if (module->path[0] == '\0')
            widen_program(module);
        return true;
    }
    if (pc - vdso.start >= vdso.end - vdso.start)
        return false;
    *module = vdso;
    return true;
}

bool module_is_after_call(uintptr_t address)
{
    uintptr_t from = address - ARCH_CALL_MOST;
    uintptr_t low;
    struct module module;
    return module_find(from, &module) && mapped_from(&module, from, PF_R | PF_X, &low) >= ARCH_CALL_MOST &&
           arch_is_after_call((const uint8_t *)address);
}

static void copy_build_id(struct seg_module *entry, const uint8_t *note, size_t size)
{
    while (size >= sizeof(Elf64_Nhdr)) {
        const Elf64_Nhdr *head = (const Elf64_Nhdr *)note;
        size_t name = ((size_t)head->n_namesz + 3) & ~(size_t)3,
               body = ((size_t)head->n_descsz + 3) & ~(size_t)3;
        size_t whole = sizeof(*head) + name + body;
        if (whole > size)
            return;
        if (head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 &&
            memcmp(note + sizeof(*head), "GNU", 4) == 0 && head->n_descsz <= sizeof(entry->build_id)) {
            entry->build_id_size = (uint8_t)head->n_descsz;
            memcpy(entry->build_id, note + sizeof(*head) + name, head->n_descsz);
            return;
        }
        note += whole;
        size -= whole;
    }
}

static void put_print(struct seg_module *entry, const struct module *module)
{
    unsigned count;
    const Elf64_Phdr *header = program_headers(module->start, module->end, &count);
    uint64_t print = layout_print(0, header, count * sizeof(*header));
    for (; count > 0; count--, header++) {
        uintptr_t low, at = module->bias + header->p_vaddr;
        size_t size = layout_printed(header);
        if (size > 0 && mapped_from(module, at, PF_R, &low) >= size)
            print = layout_print(print, (const void *)at, size);
    }
    memcpy(entry->build_id, &print, sizeof(print));
}

static void describe(struct seg_module *entry, const struct module *module)
{
    unsigned count;
    const Elf64_Phdr *header = program_headers(module->start, module->end, &count);
    memset(entry, 0, sizeof(*entry));
    entry->start = module->start;
    entry->end = module->end;
    entry->bias = module->bias;
    for (; count > 0 && entry->build_id_size == 0; count--, header++) {
        uintptr_t low, note = module->bias + header->p_vaddr;
        /* Notes with 8-byte alignment are properties, and padded in another way. */
        if (header->p_type == PT_NOTE && header->p_align <= 4 &&
            mapped_from(module, note, PF_R, &low) >= header->p_filesz)
            copy_build_id(entry, (const uint8_t *)note, header->p_filesz);
    }
    if (entry->build_id_size == 0)
        put_print(entry, module);
}

static struct split_path absolute_path(const struct module *module)
{
    const char *name = module->path[0] ? module->path : program_path;
    if (name[0] == '/' || name[0] == '\0' || module->start == vdso.start)
        return (struct split_path){"", name};
    return (struct split_path){start_directory, name};
}

static bool path_equals(const char *text, const struct split_path *path)
{
    size_t head = strlen(path->directory);
    if (head > 0 && (strncmp(text, path->directory, head) != 0 || text[head++] != '/'))
        return false;
    return strcmp(text + head, path->name) == 0;
}

static const char *path_of(const struct segment *segment, const struct seg_module *entry)
{
    return segment->strings + (entry->path < LAYOUT_STRINGS ? entry->path : 0);
}

/* Byte 0 of strings[] stays unused, so that offset 0 means none; the last byte too, so that all end in a NUL.
 */
static uint32_t path_store(struct segment *segment, const struct split_path *path)
{
    size_t head = strlen(path->directory), tail = strlen(path->name), size = head + (head > 0) + tail + 1;
    if (tail == 0 || atomic_load_explicit(&segment->header.strings, memory_order_relaxed) >= LAYOUT_STRINGS)
        return 0;
    uint32_t offset =
        1 + atomic_fetch_add_explicit(&segment->header.strings, (uint32_t)size, memory_order_relaxed);
    if (offset + size >= LAYOUT_STRINGS)
        return 0;
    char *text = segment->strings + offset;
    memcpy(text, path->directory, head);
    if (head > 0)
        text[head++] = '/';
    memcpy(text + head, path->name, tail + 1);
    return offset;
}

/* The entry that counts for these addresses now. A path that is there already is put in *same_path. */
static const struct seg_module *newest_overlap(const struct segment *segment, const struct seg_module *wanted,
                                               const struct split_path *path, uint32_t *same_path)
{
    uint32_t count = atomic_load_explicit(&segment->header.modules, memory_order_relaxed);
    const struct seg_module *newest = NULL;
    *same_path = 0;
    for (uint32_t i = 0; i < count && i < LAYOUT_MODULES; i++) {
        const struct seg_module *entry = &segment->module[i];
        /* Pairs with the release in entry_add(). */
        if (!atomic_load_explicit(&entry->ready, memory_order_acquire))
            continue;
        if (entry->path && path_equals(path_of(segment, entry), path))
            *same_path = entry->path;
        if (entry->start < wanted->end && wanted->start < entry->end &&
            (!newest || entry->epoch >= newest->epoch))
            newest = entry;
    }
    return newest;
}

static void entry_add(struct segment *segment, const struct seg_module *wanted)
{
    uint32_t index = LAYOUT_MODULES;
    if (atomic_load_explicit(&segment->header.modules, memory_order_relaxed) < LAYOUT_MODULES)
        index = atomic_fetch_add_explicit(&segment->header.modules, 1, memory_order_relaxed);
    if (index >= LAYOUT_MODULES) {
        atomic_fetch_add_explicit(&segment->counter[COUNT_LOST_MODULE], 1, memory_order_relaxed);
        return;
    }
    struct seg_module *entry = &segment->module[index];
    memcpy(entry, wanted, offsetof(struct seg_module, ready));
    /* Pairs with the acquire in newest_overlap() and in the uploader: the entry is whole when it is seen. */
    atomic_store_explicit(&entry->ready, 1, memory_order_release);
}

static bool same_module(const struct seg_module *a, const struct seg_module *b)
{
    return a->start == b->start && a->end == b->end && a->bias == b->bias &&
           a->build_id_size == b->build_id_size && memcmp(a->build_id, b->build_id, sizeof(a->build_id)) == 0;
}

static uint64_t module_hash(const struct module *module)
{
    uint64_t hash = atomic_load_explicit(&memo_generation, memory_order_relaxed);
    const uint64_t part[] = {module->start, module->end, module->bias, (uintptr_t)module->frame_hdr,
                             (uintptr_t)module->path};
    for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++)
        hash = (hash ^ part[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 29);
    return hash | 1; /* an unused place is 0 */
}

void module_record(struct segment *segment, const struct module *module)
{
    uint64_t hash = module_hash(module);
    _Atomic uint64_t *known = &memo[hash >> 58];
    /* Relaxed: a memo that is lost or late only costs the look-up below, which finds the entry or, when two
       threads race, adds it twice, which does no harm. */
    if (atomic_load_explicit(known, memory_order_relaxed) == hash)
        return;

    struct split_path path = absolute_path(module);
    struct seg_module wanted;
    uint32_t same_path;
    describe(&wanted, module);
    const struct seg_module *newest = newest_overlap(segment, &wanted, &path, &same_path);
    if (!newest || !same_module(newest, &wanted) || !path_equals(path_of(segment, newest), &path)) {
        wanted.path = same_path ? same_path : path_store(segment, &path);
        /* Where no other module ever was, the entry holds for every epoch. */
        if (newest)
            wanted.epoch = 1 + atomic_fetch_add_explicit(&segment->header.epoch, 1, memory_order_relaxed);
        entry_add(segment, &wanted);
    }
    atomic_store_explicit(known, hash, memory_order_relaxed);
}

void modules_forget(void)
{
    atomic_fetch_add_explicit(&memo_generation, 1, memory_order_relaxed);
}

/* glibc lists the vDSO among its modules; other loaders do not. */
static void find_vdso(uintptr_t start)
{
    unsigned count;
    const Elf64_Phdr *header = start ? program_headers(start, start + LAYOUT_PAGE, &count) : NULL;
    if (!header)
        return;
    vdso = (struct module){.start = start, .end = start, .path = "linux-vdso.so.1"};
    for (; count > 0; count--, header++) {
        if (header->p_type == PT_LOAD) {
            vdso.bias = start - header->p_vaddr;
            vdso.end = start + ((header->p_memsz + LAYOUT_PAGE - 1) & ~(uint64_t)(LAYOUT_PAGE - 1));
        } else if (header->p_type == PT_GNU_EH_FRAME) {
            vdso.frame_hdr = (const uint8_t *)(vdso.bias + header->p_vaddr);
        }
    }
}

static void find_program_range(void)
{
    const Elf64_Phdr *header = (const Elf64_Phdr *)getauxval(AT_PHDR);
    uintptr_t headers = (uintptr_t)header, low = UINTPTR_MAX, high = 0;
    unsigned count = header ? (unsigned)getauxval(AT_PHNUM) : 0;

    for (; count > 0; count--, header++) {
        if (header->p_type == PT_PHDR)
            program.bias = headers - header->p_vaddr;
        if (header->p_type != PT_LOAD)
            continue;
        if (header->p_vaddr < low)
            low = header->p_vaddr;
        if (header->p_vaddr + header->p_memsz > high)
            high = header->p_vaddr + header->p_memsz;
    }
    if (low >= high)
        return;
    program.start = program.bias + (low & ~(uintptr_t)(LAYOUT_PAGE - 1));
    program.end = program.bias + ((high + LAYOUT_PAGE - 1) & ~(uintptr_t)(LAYOUT_PAGE - 1));
}

/* AT_EXECFN where there is no /proc. A program that was given to the loader as an argument (then the kernel
   has mapped no interpreter) is argv[0], which is copied because programs write over it. */
static void find_program(void)
{
    long size = sys_call(SYS_readlink, "/proc/self/exe", program_path, sizeof(program_path) - 1);
    const char *name = size < 0 ? (const char *)getauxval(AT_EXECFN) : NULL;
    program_path[size > 0 ? size : 0] = '\0';
    if (getauxval(AT_BASE) == 0 && strchr(program_invocation_name, '/'))
        name = program_invocation_name;
    if (name && strlen(name) < sizeof(program_path))
        memcpy(program_path, name, strlen(name) + 1);
}

void modules_start(void)
{
    find_object = (int (*)(void *, struct dl_find_object *))dlsym(RTLD_DEFAULT, "_dl_find_object");
    find_vdso(getauxval(AT_SYSINFO_EHDR));
    find_program();
    find_program_range();
    if (sys_call(SYS_getcwd, start_directory, sizeof(start_directory)) < 0 || start_directory[0] != '/')
        start_directory[0] = '\0';
}
