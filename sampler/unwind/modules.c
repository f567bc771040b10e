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

#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"
#include "sampler/base/net.h"
#include "peek.h"
#include "sampler/base/sys.h"

enum {
    MEMO = 64,
    RESIDENTS = 256, /* places of the table, a power of two */
    PARTS = 4,       /* segments of a module that are not written to; linkers make one to three */
};

static int (*find_object)(void *, struct dl_find_object *);
static struct module vdso;
static struct module program;       /* as the kernel mapped it; end 0: not known */
static const void *program_map;     /* the loader's struct link_map of it */
static char program_path[PATH_MAX]; /* "" if not known */
static char start_directory[PATH_MAX];

/*
 * A module that the program was started with, by the start of its mapping. Nobody unloads it, so rows and
 * bytes of it are kept for good, and where the kernel must not be asked it is read where it is.
 */
struct resident {
    uintptr_t start; /* 0: an unused place */
    const void
        *map; /* the address of resident[]: it was unloaded, as a constructor before ours had opened it */
    struct {
        uintptr_t low, high;
        bool is_code;
    } part[PARTS];
};
static struct resident resident[RESIDENTS];

/* The unloadings that are under way (UNLOADS_UNDER_WAY), and above them how many there were. Written before
   and after each dlclose(), whose unmapping lies between. Sequentially consistent, since what pairs with it,
   the unmapping, is done by the loader and the kernel. */
static _Atomic uint64_t unloads;

/* Keys of modules that are in the segment: spares the look-up in it. Cleared by a new generation. */
static _Atomic uint64_t memo[MEMO];
static _Atomic uint32_t memo_generation;

/* What the files of modules begin with. check ^ hash is the module's key: what is torn between two writers is
   no module's. */
static struct {
    _Atomic uint64_t check, hash;
} beginning[MEMO];

/* A path in two parts, joined by a slash where there is a directory. */
struct split_path {
    const char *directory, *name;
};

static struct resident *resident_place(uintptr_t start)
{
    size_t place = start / LAYOUT_PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 56;
    while (resident[place % RESIDENTS].start != 0 && resident[place % RESIDENTS].start != start)
        place++; /* ends: the table is never full */
    return &resident[place % RESIDENTS];
}

static uint64_t mix(uint64_t hash, uint64_t part)
{
    hash = (hash ^ part) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Also what another module at the same place has otherwise, if it was unloaded by ways that we do not see. */
static void identify(struct module *module)
{
    const struct resident *known = resident_place(module->start);
    module->stays =
        known->start == module->start && __atomic_load_n(&known->map, __ATOMIC_RELAXED) == module->map;
    module->unloads = atomic_load(&unloads);
    uint64_t key = mix(mix(module->start, module->end), (uintptr_t)module->map);
    module->key = mix(mix(key, module->frame_hdr), module->stays ? 1 : module->unloads << 1);
}

static bool find_by_loader(uintptr_t pc, struct module *module)
{
    struct dl_find_object found;
    if (!find_object || find_object((void *)pc, &found) != 0)
        return false;
    /* Of a program with gaps between its segments, as lld and -z separate-code with large pages leave them,
       the loader names the one segment that was asked for, which has neither headers nor frames. */
    if (found.dlfo_link_map == program_map && program.end != 0)
        *module = program;
    else
        *module =
            (struct module){.start = (uintptr_t)found.dlfo_map_start, .end = (uintptr_t)found.dlfo_map_end};
    module->map = found.dlfo_link_map;
    module->frame_hdr = (uintptr_t)found.dlfo_eh_frame;
    return true;
}

bool module_find(uintptr_t pc, struct module *module)
{
    if (!find_by_loader(pc, module)) {
        if (pc - vdso.start >= vdso.end - vdso.start)
            return false;
        *module = vdso;
    }
    identify(module);
    return true;
}

bool module_is_there(const struct module *module)
{
    struct dl_find_object now;
    if (module->stays || !module->map)
        return true;
    return atomic_load(&unloads) == module->unloads && find_object((void *)module->start, &now) == 0 &&
           now.dlfo_link_map == module->map && (uintptr_t)now.dlfo_map_start == module->start &&
           (uintptr_t)now.dlfo_map_end == module->end && (uintptr_t)now.dlfo_eh_frame == module->frame_hdr;
}

static bool is_in_part(const struct module *module, uintptr_t address, size_t size, bool code_only)
{
    const struct resident *known = resident_place(module->start);
    for (int i = 0; i < PARTS; i++)
        if (address >= known->part[i].low && address < known->part[i].high &&
            size <= known->part[i].high - address && (known->part[i].is_code || !code_only))
            return true;
    return false;
}

bool module_may_be_read(const struct module *module, uintptr_t address, size_t size)
{
    return module->stays && is_in_part(module, address, size, false);
}

/* Memory of the loader's, or ours. */
static bool read_loaders(const struct module *module, void *to, const void *from, size_t size)
{
    if (net_is_there())
        return net_read(to, (uintptr_t)from, size);
    if (module->stays)
        memcpy(to, from, size);
    return module->stays;
}

/* false: there is no header of that number, or it cannot be read. Headers start in a file's first page. */
static bool program_header(struct peek *peek, unsigned index, Elf64_Phdr *header)
{
    Elf64_Ehdr file;
    const uint8_t *at = peek_at(peek, peek->module.start, sizeof(file));
    if (!at)
        return false;
    memcpy(&file, at, sizeof(file));
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_phentsize != sizeof(*header) ||
        file.e_phoff > LAYOUT_PAGE || file.e_phoff + file.e_phnum * sizeof(*header) > LAYOUT_PAGE ||
        index >= file.e_phnum)
        return false;
    at = peek_at(peek, peek->module.start + file.e_phoff + index * sizeof(*header), sizeof(*header));
    if (at)
        memcpy(header, at, sizeof(*header));
    return at != NULL;
}

/* Address minus ELF virtual address: the mapping starts with the first segment. */
static uintptr_t bias_of(struct peek *peek)
{
    Elf64_Phdr header;
    if (peek->module.path)
        return peek->module.bias;
    for (unsigned i = 0; program_header(peek, i, &header); i++)
        if (header.p_type == PT_LOAD)
            return peek->module.start - (header.p_vaddr & ~(uintptr_t)(LAYOUT_PAGE - 1));
    return 0;
}

static bool is_code(struct peek *peek, uintptr_t address, size_t size)
{
    uintptr_t bias = bias_of(peek);
    Elf64_Phdr header;
    for (unsigned i = 0; program_header(peek, i, &header); i++) {
        uintptr_t from = address - bias - header.p_vaddr;
        if (header.p_type == PT_LOAD && from < header.p_filesz && size <= header.p_filesz - from)
            return (header.p_flags & (PF_R | PF_X)) == (PF_R | PF_X);
    }
    return false;
}

bool module_is_after_call(struct peek *peek, uintptr_t address)
{
    const uint8_t *code = peek_at(peek, address - CALL_MOST, CALL_MOST);
    return code && is_code_after_call(code + CALL_MOST) && is_code(peek, address - CALL_MOST, CALL_MOST);
}

/* Notes with 8-byte alignment are properties, and padded in another way. */
static void copy_build_id(struct seg_module *entry, struct peek *peek, uintptr_t note, size_t size)
{
    Elf64_Nhdr head;
    while (size >= sizeof(head)) {
        const uint8_t *at = peek_at(peek, note, sizeof(head));
        if (!at)
            return;
        memcpy(&head, at, sizeof(head));
        size_t name = ((size_t)head.n_namesz + 3) & ~(size_t)3,
               body = ((size_t)head.n_descsz + 3) & ~(size_t)3;
        size_t whole = sizeof(head) + name + body;
        if (whole > size)
            return;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 &&
            head.n_descsz <= sizeof(entry->build_id)) {
            at = peek_at(peek, note + sizeof(head), 4 + head.n_descsz);
            if (!at || memcmp(at, "GNU", 4) != 0)
                return;
            entry->build_id_size = (uint8_t)head.n_descsz;
            memcpy(entry->build_id, at + 4, head.n_descsz);
            return;
        }
        note += whole;
        size -= whole;
    }
}

/* In pieces of whole words, as layout_print() reads it. */
static uint64_t add_to_print(uint64_t print, struct peek *peek, uintptr_t at, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = size - done < PEEK_WINDOW ? size - done : PEEK_WINDOW;
        const uint8_t *bytes = peek_at(peek, at + done, part);
        if (!bytes)
            return print;
        print = layout_print(print, bytes, part);
        done += part;
    }
    return print;
}

static void put_print(struct seg_module *entry, struct peek *peek, uintptr_t bias)
{
    Elf64_Phdr header;
    uint64_t print = 0;
    for (unsigned i = 0; program_header(peek, i, &header); i++)
        print = layout_print(print, &header, sizeof(header));
    for (unsigned i = 0; program_header(peek, i, &header); i++)
        print = add_to_print(print, peek, bias + header.p_vaddr, layout_printed(&header));
    memcpy(entry->build_id, &print, sizeof(print));
}

static void describe(struct seg_module *entry, struct peek *peek)
{
    Elf64_Phdr header;
    memset(entry, 0, sizeof(*entry));
    entry->start = peek->module.start;
    entry->end = peek->module.end;
    entry->bias = bias_of(peek);
    for (unsigned i = 0; entry->build_id_size == 0 && program_header(peek, i, &header); i++)
        if (header.p_type == PT_NOTE && header.p_align <= 4)
            copy_build_id(entry, peek, entry->bias + header.p_vaddr, header.p_filesz);
    if (entry->build_id_size == 0)
        put_print(entry, peek, entry->bias);
}

/* Copies the loader's name of the module. It is somewhere in a page that may be the last one. */
static bool copy_name(const struct module *module, char room[MODULE_ROOM])
{
    struct link_map map;
    size_t done = 0;
    if (!read_loaders(module, &map, module->map, offsetof(struct link_map, l_ld)))
        return false;
    while (done < MODULE_ROOM) {
        const char *from = map.l_name + done;
        size_t left = LAYOUT_PAGE - (uintptr_t)from % LAYOUT_PAGE;
        size_t part = left < MODULE_ROOM - done ? left : MODULE_ROOM - done;
        if (!net_is_there())
            part = 1;
        if (!read_loaders(module, room + done, from, part))
            return false;
        if (memchr(room + done, 0, part))
            return true;
        done += part;
    }
    room[0] = '\0'; /* longer than anybody's */
    return true;
}

/* false: it could not be read. */
static bool find_path(const struct module *module, char room[MODULE_ROOM], struct split_path *path)
{
    if (!module->path && !copy_name(module, room))
        return false;
    *path = (struct split_path){"", module->path ? module->path : room};
    if (path->name[0] != '/' && path->name[0] != '\0' && module->start != vdso.start)
        path->directory = start_directory;
    return true;
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

static uint64_t memo_of(uint64_t key)
{
    return mix(key, atomic_load_explicit(&memo_generation, memory_order_relaxed)) | 1; /* 0 is unused */
}

/* Relaxed: a memo that is lost or late only costs the look-up, which finds the entry or, when two threads
   race, adds it twice, which does no harm. */
bool module_record(struct segment *segment, struct peek *peek, char room[MODULE_ROOM])
{
    const struct module *module = &peek->module;
    uint64_t wanted_memo = memo_of(module->key);
    _Atomic uint64_t *known = &memo[wanted_memo >> 58];
    if (__builtin_expect(atomic_load_explicit(known, memory_order_relaxed) == wanted_memo, 1))
        return false;

    struct split_path path;
    struct seg_module wanted;
    uint32_t same_path;
    describe(&wanted, peek);
    if (peek->failed || !find_path(module, room, &path) || !module_is_there(module))
        return true;
    const struct seg_module *newest = newest_overlap(segment, &wanted, &path, &same_path);
    if (!newest || !same_module(newest, &wanted) || !path_equals(path_of(segment, newest), &path)) {
        wanted.path = same_path ? same_path : path_store(segment, &path);
        /* Where no other module ever was, the entry holds for every epoch. */
        if (newest)
            wanted.epoch = 1 + atomic_fetch_add_explicit(&segment->header.epoch, 1, memory_order_relaxed);
        entry_add(segment, &wanted);
    }
    if (module_is_steady(module))
        atomic_store_explicit(known, wanted_memo, memory_order_relaxed);
    return true;
}

/* Headers and, as linkers lay it out, the build id. */
enum { BEGINNING = 1024 };

bool module_is_same_file(const struct module *module, char *room)
{
    _Static_assert((int)BEGINNING <= (int)MODULE_ROOM, "it fits");
    size_t place = module->key >> 58;
    if (module->stays || !net_read(room, module->start, BEGINNING))
        return true;
    uint64_t now = layout_print(1, room, BEGINNING);
    uint64_t hash = atomic_load_explicit(&beginning[place].hash, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&beginning[place].check, memory_order_relaxed);
    if ((check ^ hash) == module->key && hash != now) {
        atomic_fetch_add(&unloads, UNLOADS_UNDER_WAY + 1);
        return false;
    }
    atomic_store_explicit(&beginning[place].check, module->key ^ now, memory_order_relaxed);
    atomic_store_explicit(&beginning[place].hash, now, memory_order_relaxed);
    return true;
}

void modules_unload_begin(void)
{
    atomic_fetch_add(&unloads, 1);
}

/* Residents are looked for where they were: a constructor before ours may have opened one. */
static void check_residents(void)
{
    struct dl_find_object now;
    for (int i = 0; i < RESIDENTS; i++) {
        struct resident *known = &resident[i];
        if (known->map && find_object &&
            (find_object((void *)known->start, &now) != 0 || now.dlfo_link_map != known->map))
            __atomic_store_n(&known->map, (const void *)resident, __ATOMIC_RELAXED);
    }
}

/* In a child that a destructor forked, the unloading was forgotten. */
void modules_unload_end(void)
{
    uint64_t old = atomic_load(&unloads), under_way;
    check_residents();
    do {
        under_way = old & UNLOADS_UNDER_WAY;
    } while (
        !atomic_compare_exchange_weak(&unloads, &old, old + UNLOADS_UNDER_WAY + 1 - (under_way ? 1 : 0)));
}

void modules_forget(bool child)
{
    atomic_fetch_add_explicit(&memo_generation, 1, memory_order_relaxed);
    if (child)
        atomic_fetch_and(&unloads, ~(uint64_t)UNLOADS_UNDER_WAY);
}

/* The parts of a mapped file that may be read. */
static void know_parts(struct resident *known, uintptr_t bias, const Elf64_Phdr *header, unsigned count)
{
    unsigned parts = 0;
    for (; count > 0 && parts < PARTS; count--, header++) {
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_R) || header->p_flags & PF_W)
            continue;
        known->part[parts].low = bias + header->p_vaddr;
        known->part[parts].high = bias + header->p_vaddr + header->p_filesz;
        known->part[parts++].is_code = header->p_flags & PF_X;
    }
}

static int note_resident(struct dl_phdr_info *info, size_t size, void *context)
{
    unsigned *count = context;
    struct module module;
    (void)size;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const Elf64_Phdr *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD)
            continue;
        if (module_find(info->dlpi_addr + header->p_vaddr, &module) && ++*count < RESIDENTS / 2) {
            struct resident *known = resident_place(module.start);
            known->start = module.start;
            known->map = module.map;
            know_parts(known, info->dlpi_addr, info->dlpi_phdr, info->dlpi_phnum);
        }
        break;
    }
    return 0;
}

/* glibc lists the vDSO among its modules; other loaders do not. */
static void find_vdso(uintptr_t start)
{
    const Elf64_Ehdr *file = (const Elf64_Ehdr *)start;
    if (!start)
        return;
    const Elf64_Phdr *header = (const Elf64_Phdr *)(start + file->e_phoff);
    vdso = (struct module){.start = start, .end = start, .path = "linux-vdso.so.1"};
    for (unsigned i = 0; i < file->e_phnum; i++, header++) {
        if (header->p_type == PT_LOAD) {
            vdso.bias = start - header->p_vaddr;
            vdso.end = start + ((header->p_memsz + LAYOUT_PAGE - 1) & ~(uint64_t)(LAYOUT_PAGE - 1));
        } else if (header->p_type == PT_GNU_EH_FRAME) {
            vdso.frame_hdr = vdso.bias + header->p_vaddr;
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
    struct dl_find_object found;
    unsigned residents = 0;
    find_object = (int (*)(void *, struct dl_find_object *))dlsym(RTLD_DEFAULT, "_dl_find_object");
    find_vdso(getauxval(AT_SYSINFO_EHDR));
    find_program();
    find_program_range();
    program.path = program_path;
    if (find_object && find_object((void *)getauxval(AT_ENTRY), &found) == 0)
        program_map = found.dlfo_link_map;
    dl_iterate_phdr(note_resident, &residents);
    if (sys_call(SYS_getcwd, start_directory, sizeof(start_directory)) < 0 || start_directory[0] != '/')
        start_directory[0] = '\0';
}
