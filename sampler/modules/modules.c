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

#include "sampler/base/nofault.h"
#include "sampler/base/sys.h"
#include "sampler/base/weights.h"
#include "sampler/libc/libc.h"
#include "sampler/segment/layout.h"
#include "snapshot.h"

enum {
    BEGINNINGS = 64,
    PLACES = 256,    /* a power of two */
    RESIDENTS = 128, /* half as many */
    PARTS = 4,       /* segments of a module that are not written to; linkers make one to three */
};

/* Written by modules_start(). */
static struct {
    int (*find_object)(void *, struct dl_find_object *); /* libc's, or snapshot_find(); NULL: not started */
    struct module vdso;
    struct module program;          /* as the kernel mapped it; end 0: not known */
    const void *program_map;        /* the loader's struct link_map of it */
    char program_path[PATH_MAX];    /* "" if not known */
    char start_directory[PATH_MAX]; /* the same */
} at_start;

/*
 * A module that the program was started with, found by the start of its mapping. It is never unloaded, so
 * its rows and bytes are kept for good. If nofault_read() is not available, it is read directly.
 */
struct resident {
    uintptr_t start;
    const void
        *map; /* the address of resident[]: it was unloaded, as a constructor before ours had opened it */
    struct {
        uintptr_t low, high;
        bool is_code;
    } part[PARTS];
};
/* Side by side, so that they are in few pages. The first one is none: what an empty place stands for. */
static struct resident resident[RESIDENTS];
static uint8_t resident_place[PLACES];

/* The unloadings that are under way (UNLOADS_UNDER_WAY), and above them how many there were. Written before
   and after each dlclose(), whose unmapping lies between. Sequentially consistent, since what pairs with it,
   the unmapping, is done by the loader and the kernel. */
static _Atomic uint64_t unloads;

/* In the keys of modules that may be unloaded, since processes that fork from one another share what is known
   by keys, and load other modules at the same addresses. 0 until the first fork. */
static uint64_t own_salt;

/* What the files of modules begin with. check ^ hash is the module's key: what is torn between two writers is
   no module's. */
static struct {
    _Atomic uint64_t check, hash;
} beginning[BEGINNINGS];

static uint8_t *place_of(uintptr_t start)
{
    uint8_t place = start / LAYOUT_PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 56;
    while (resident_place[place] != 0 && resident[resident_place[place]].start != start)
        place++; /* ends: half of the places are empty */
    return &resident_place[place];
}

static const struct resident *resident_at(uintptr_t start)
{
    return &resident[*place_of(start)];
}

static uint64_t mix(uint64_t hash, uint64_t part)
{
    hash = (hash ^ part) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* The key also covers what another module at the same place would have otherwise. It may have replaced the
   first one unnoticed. */
static void identify(struct module *module)
{
    const struct resident *known = resident_at(module->start);
    module->stays =
        known->start == module->start && __atomic_load_n(&known->map, __ATOMIC_RELAXED) == module->map;
    module->unloads = atomic_load(&unloads);
    uint64_t key = mix(mix(module->start, module->end), (uintptr_t)module->map);
    module->key = mix(mix(key, module->frame_hdr), module->stays ? 1 : own_salt ^ module->unloads << 1);
}

static bool find_by_loader(uintptr_t pc, struct module *module)
{
    struct dl_find_object found;
    if (!at_start.find_object || at_start.find_object((void *)pc, &found) != 0)
        return false;
    /* For a program with gaps between its segments, as lld and -z separate-code with large pages leave
       them, the loader names only the segment that was asked for. That one has neither headers nor frames. */
    if (found.dlfo_link_map == at_start.program_map && at_start.program.end != 0)
        *module = at_start.program;
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
        if (pc - at_start.vdso.start >= at_start.vdso.end - at_start.vdso.start)
            return false;
        *module = at_start.vdso;
    }
    identify(module);
    return true;
}

bool module_is_there(const struct module *module)
{
    struct dl_find_object now;
    if (module->stays || !module->map)
        return true;
    return atomic_load(&unloads) == module->unloads &&
           at_start.find_object((void *)module->start, &now) == 0 && now.dlfo_link_map == module->map &&
           (uintptr_t)now.dlfo_map_start == module->start && (uintptr_t)now.dlfo_map_end == module->end &&
           (uintptr_t)now.dlfo_eh_frame == module->frame_hdr;
}

static bool is_in_part(const struct module *module, uintptr_t address, size_t size, bool code_only)
{
    const struct resident *known = resident_at(module->start);
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

const char *module_directory(const struct module *module)
{
    return module->start != at_start.vdso.start ? at_start.start_directory : "";
}

/* Headers and, as linkers lay it out, the build id. */
enum { BEGINNING = 1024 };

bool module_is_same_file(const struct module *module, char *room)
{
    _Static_assert((int)BEGINNING <= (int)MODULE_ROOM, "it fits");
    size_t place = module->key >> 58;
    if (module->stays || !nofault_read(room, module->start, BEGINNING))
        return true;
    uint64_t now = layout_fingerprint(1, room, BEGINNING);
    uint64_t hash = atomic_load_explicit(&beginning[place].hash, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&beginning[place].check, memory_order_relaxed);
    if ((check ^ hash) == module->key && hash != now) {
        snapshot_expire();
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

/* A constructor that ran before ours may have opened a resident, and may close it: so each is looked up
   where it was. */
static void check_residents(void)
{
    struct dl_find_object now;
    for (int i = 0; i < RESIDENTS; i++) {
        struct resident *known = &resident[i];
        if (known->map && at_start.find_object &&
            (at_start.find_object((void *)known->start, &now) != 0 || now.dlfo_link_map != known->map))
            __atomic_store_n(&known->map, (const void *)resident, __ATOMIC_RELAXED);
    }
}

/* In a child that a destructor forked, the unloading was forgotten. */
void modules_unload_end(void)
{
    uint64_t old = atomic_load(&unloads), under_way;
    snapshot_expire();
    check_residents();
    do {
        under_way = old & UNLOADS_UNDER_WAY;
    } while (
        !atomic_compare_exchange_weak(&unloads, &old, old + UNLOADS_UNDER_WAY + 1 - (under_way ? 1 : 0)));
}

void modules_forget(void)
{
    atomic_fetch_and(&unloads, ~(uint64_t)UNLOADS_UNDER_WAY);
    own_salt = random_bits();
    snapshot_forget();
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
        if (module_find(info->dlpi_addr + header->p_vaddr, &module) && *count + 1 < RESIDENTS) {
            struct resident *known = &resident[++*count];
            *place_of(module.start) = (uint8_t)*count;
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
    at_start.vdso = (struct module){.start = start, .end = start, .path = "linux-vdso.so.1"};
    for (unsigned i = 0; i < file->e_phnum; i++, header++) {
        if (header->p_type == PT_LOAD) {
            at_start.vdso.bias = start - header->p_vaddr;
            at_start.vdso.end = start + ((header->p_memsz + LAYOUT_PAGE - 1) & ~(uint64_t)(LAYOUT_PAGE - 1));
        } else if (header->p_type == PT_GNU_EH_FRAME) {
            at_start.vdso.frame_hdr = at_start.vdso.bias + header->p_vaddr;
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
            at_start.program.bias = headers - header->p_vaddr;
        if (header->p_type != PT_LOAD)
            continue;
        if (header->p_vaddr < low)
            low = header->p_vaddr;
        if (header->p_vaddr + header->p_memsz > high)
            high = header->p_vaddr + header->p_memsz;
    }
    if (low >= high)
        return;
    at_start.program.start = at_start.program.bias + (low & ~(uintptr_t)(LAYOUT_PAGE - 1));
    at_start.program.end = at_start.program.bias + ((high + LAYOUT_PAGE - 1) & ~(uintptr_t)(LAYOUT_PAGE - 1));
}

/* AT_EXECFN if there is no /proc. For a program that was an argument of the loader (then the kernel has
   mapped no interpreter) it is argv[0]. The name is copied because programs write over it. */
static void find_program(void)
{
    long size = sys_call(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", at_start.program_path,
                         sizeof(at_start.program_path) - 1);
    const char *name = size < 0 ? (const char *)getauxval(AT_EXECFN) : NULL;
    at_start.program_path[size > 0 ? size : 0] = '\0';
    if (getauxval(AT_BASE) == 0 && strchr(program_invocation_name, '/'))
        name = program_invocation_name;
    if (name && strlen(name) < sizeof(at_start.program_path))
        memcpy(at_start.program_path, name, strlen(name) + 1);
}

void modules_start(void)
{
    struct dl_find_object found;
    unsigned residents = 0;
    libc_start();
    at_start.find_object = libc._dl_find_object;
    if (!at_start.find_object) {
        snapshot_start();
        at_start.find_object = snapshot_find;
    }
    find_vdso(getauxval(AT_SYSINFO_EHDR));
    find_program();
    find_program_range();
    at_start.program.path = at_start.program_path;
    if (at_start.find_object && at_start.find_object((void *)getauxval(AT_ENTRY), &found) == 0)
        at_start.program_map = found.dlfo_link_map;
    libc_iterate(note_resident, &residents);
    if (sys_call(SYS_getcwd, at_start.start_directory, sizeof(at_start.start_directory)) < 0 ||
        at_start.start_directory[0] != '/')
        at_start.start_directory[0] = '\0';
}
