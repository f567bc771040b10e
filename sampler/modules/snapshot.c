// SPDX-License-Identifier: Apache-2.0
#include "snapshot.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "sampler/base/nofault.h"
#include "sampler/libc/libc.h"
#include "sampler/segment/layout.h"

#include "sampler/base/poison.h"

enum {
    MOST = 512,    /* modules beyond are found in the loader's list each time */
    HEADERS = 2048 /* bytes at the beginning of a file with its program headers */
};

/* What is compared to see that a module is still the one that it was. */
struct identity {
    const struct link_map *map, *previous;
    uintptr_t bias;
    const char *name;
    const void *dynamic;
};

struct entry {
    uintptr_t start, end, frame_hdr; /* of the module, or of one segment of the program */
    struct identity is;
    bool stays; /* was there at the start */
};

/* Two tables, sorted by address. One is read while the other is written. */
struct table {
    unsigned count;
    struct identity last; /* of the loader's list */
    struct entry entry[MOST];
};

static struct {
    struct table table[2];
    /* Odd: a table is being written. Pairs: begin_writing() and is_unchanged(). */
    _Atomic uint32_t writes;
    _Atomic uint32_t current;
    _Atomic uint32_t
        is_written;           /* a thread, or the handler that interrupted it, writes; others do not wait */
    _Atomic uint32_t expired; /* a count; what was written under an older one is not used */
    _Atomic uint32_t written_for;
    uint8_t headers[HEADERS]; /* whoever writes */
} snapshot;

/* ---- the loader's list */

static const struct link_map *first_of_list(void)
{
    const struct r_debug *debug = libc_loader_list();
    const struct link_map *first = NULL;
    if (debug && !nofault_read(&first, (uintptr_t)&debug->r_map, sizeof first))
        return NULL;
    return first;
}

/* Only the members that the ABI of debuggers fixes. */
static bool read_map(const struct link_map *map, struct identity *is, const struct link_map **next)
{
    struct link_map copy;
    if (!map || !nofault_read(&copy, (uintptr_t)map, sizeof copy))
        return false;
    *is = (struct identity){map, copy.l_prev, copy.l_addr, copy.l_name, copy.l_ld};
    *next = copy.l_next;
    return true;
}

static bool is_same(const struct identity *a, const struct identity *b)
{
    return a->map == b->map && a->bias == b->bias && a->name == b->name && a->dynamic == b->dynamic;
}

/* The module is linked into the loader's list as it was. A link_map that is freed and used for something else, or
   for another module, is not. *next: what follows it there. */
static bool is_linked(const struct identity *is, const struct link_map **next)
{
    struct identity now;
    const struct link_map *linked;
    if (!read_map(is->map, &now, next) || !is_same(&now, is) || now.previous != is->previous)
        return false;
    if (!is->previous)
        return true;
    return nofault_read(&linked, (uintptr_t)&is->previous->l_next, sizeof linked) && linked == is->map;
}

/* ---- what a module's program headers say */

static void note_header(struct entry *entry, const ElfW(Phdr) * header)
{
    uintptr_t start = entry->is.bias + (header->p_vaddr & ~(uintptr_t)(LAYOUT_PAGE - 1));
    uintptr_t end = entry->is.bias + header->p_vaddr + header->p_memsz;
    if (header->p_type == PT_GNU_EH_FRAME)
        entry->frame_hdr = entry->is.bias + header->p_vaddr;
    if (header->p_type != PT_LOAD)
        return;
    if (!entry->end || start < entry->start)
        entry->start = start;
    if (end > entry->end)
        entry->end = end;
}

/* Its file begins at the bias, as those of all libraries do that were not prelinked. false: it does not. room: HEADERS
   bytes, or NULL, and then each header is read alone. */
static bool read_module(struct entry *entry, uint8_t *room)
{
    ElfW(Ehdr) file;
    ElfW(Phdr) header;
    uintptr_t base = entry->is.bias;
    size_t have = room ? nofault_copy(room, base, HEADERS) : 0;

    if (have >= sizeof file)
        memcpy(&file, room, sizeof file);
    else if (!nofault_read(&file, base, sizeof file))
        return false;
    if (memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_phentsize != sizeof header ||
        file.e_phoff > LAYOUT_PAGE)
        return false;
    for (unsigned i = 0; i < file.e_phnum; i++) {
        size_t offset = file.e_phoff + i * sizeof header;
        if (room && offset + sizeof header <= have)
            memcpy(&header, room + offset, sizeof header);
        else if (!nofault_read(&header, base + offset, sizeof header))
            return false;
        note_header(entry, &header);
    }
    return entry->end != 0;
}

/* ---- the tables */

static void insert(struct table *table, const struct entry *entry)
{
    unsigned at = table->count;
    if (at == MOST)
        return;
    for (; at > 0 && table->entry[at - 1].start > entry->start; at--)
        table->entry[at] = table->entry[at - 1];
    table->entry[at] = *entry;
    table->count++;
}

/* The last entry that begins at or below pc. */
static const struct entry *search(const struct table *table, uintptr_t pc)
{
    unsigned low = 0, high = table->count < MOST ? table->count : MOST;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (table->entry[middle].start <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && pc < table->entry[low - 1].end ? &table->entry[low - 1] : NULL;
}

static bool is_unchanged(uint32_t writes)
{
    /* Pairs with the release fence in begin_writing(): what was read while the table was written is not used. */
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&snapshot.writes, memory_order_relaxed) == writes;
}

enum state { FOUND, NOT_THERE, STALE };

static enum state look_in_table(uintptr_t pc, struct entry *found)
{
    /* Acquire: pairs with the release in end_writing(). */
    uint32_t writes = atomic_load_explicit(&snapshot.writes, memory_order_acquire);
    const struct table *table =
        &snapshot.table[atomic_load_explicit(&snapshot.current, memory_order_relaxed) & 1];
    const struct link_map *next = NULL;
    struct identity last = table->last;
    bool is_full = table->count == MOST;
    const struct entry *entry = search(table, pc);

    if (entry)
        *found = *entry;
    if (writes & 1 || !is_unchanged(writes))
        return STALE;
    if (!nofault_is_available())
        return entry && found->stays ? FOUND : NOT_THERE;
    if (atomic_load(&snapshot.expired) != atomic_load_explicit(&snapshot.written_for, memory_order_relaxed))
        return STALE;
    if (entry)
        return found->stays || !libc_unloads() || is_linked(&found->is, &next) ? FOUND : STALE;
    return is_full || !is_linked(&last, &next) || next ? STALE : NOT_THERE;
}

static struct table *begin_writing(void)
{
    uint32_t idle = 0;
    if (!atomic_compare_exchange_strong_explicit(&snapshot.is_written, &idle, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return NULL;
    struct table *table = &snapshot.table[~atomic_load_explicit(&snapshot.current, memory_order_relaxed) & 1];
    atomic_fetch_add_explicit(&snapshot.writes, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* pairs with the fence in is_unchanged() */
    table->count = 0;
    return table;
}

/* is_whole: the table is used from here on. */
static void end_writing(uint32_t expired, bool is_whole)
{
    if (is_whole) {
        atomic_fetch_xor_explicit(&snapshot.current, 1, memory_order_relaxed);
        atomic_store_explicit(&snapshot.written_for, expired, memory_order_relaxed);
    }
    /* Pairs with the acquire in look_in_table(): who sees it sees the table and its number. */
    atomic_fetch_add_explicit(&snapshot.writes, 1, memory_order_release);
    /* Pairs with the acquire in begin_writing(). */
    atomic_store_explicit(&snapshot.is_written, 0, memory_order_release);
}

/* Those that were there at the start stay described as they were then: the program, and libraries that were
   prelinked, do not begin at their bias. Returns whether this is one of them. */
static bool copy_residents(struct table *to, const struct table *from, const struct identity *is,
                           uintptr_t pc, struct entry *found)
{
    bool is_one = false;
    for (unsigned i = 0; i < from->count && i < MOST; i++) {
        const struct entry *entry = &from->entry[i];
        if (!entry->stays || !is_same(&entry->is, is))
            continue;
        is_one = true;
        if (pc - entry->start < entry->end - entry->start)
            *found = *entry;
        if (to)
            insert(to, entry);
    }
    return is_one;
}

/* Reads the loader's list, into a new table if nobody else is writing one. Where the loader is changing the list, the
   links do not match, and what was read so far is not kept. */
static enum state look_in_list(uintptr_t pc, struct entry *found)
{
    uint32_t expired = atomic_load(&snapshot.expired);
    struct table *table = begin_writing();
    const struct table *old =
        &snapshot.table[atomic_load_explicit(&snapshot.current, memory_order_relaxed) & 1];
    const struct link_map *map = first_of_list();
    struct identity last = {0};

    found->end = 0;
    for (struct entry entry = {0}; read_map(map, &entry.is, &map) && entry.is.previous == last.map;
         entry = (struct entry){0}) {
        last = entry.is;
        if (copy_residents(table, old, &entry.is, pc, found) ||
            !read_module(&entry, table ? snapshot.headers : NULL))
            continue;
        if (pc - entry.start < entry.end - entry.start)
            *found = entry;
        if (table)
            insert(table, &entry);
    }
    if (table) {
        table->last = last;
        end_writing(expired, last.map && !map);
    }
    return found->end ? FOUND : NOT_THERE;
}

int snapshot_find(void *pc, struct dl_find_object *object)
{
    struct entry found;
    enum state state = look_in_table((uintptr_t)pc, &found);

    if (state == STALE)
        state = look_in_list((uintptr_t)pc, &found);
    if (state != FOUND)
        return -1;
    memset(object, 0, sizeof *object);
    object->dlfo_map_start = (void *)found.start;
    object->dlfo_map_end = (void *)found.end;
    object->dlfo_link_map = (struct link_map *)found.is.map;
    object->dlfo_eh_frame = (void *)found.frame_hdr;
    return 0;
}

void snapshot_expire(void)
{
    if (libc_unloads())
        atomic_fetch_add(&snapshot.expired, 1);
}

/* Another thread of the parent may have been writing. */
void snapshot_forget(void)
{
    if (!atomic_load_explicit(&snapshot.is_written, memory_order_relaxed))
        return;
    snapshot_expire();
    if (atomic_load_explicit(&snapshot.writes, memory_order_relaxed) & 1)
        atomic_fetch_add_explicit(&snapshot.writes, 1, memory_order_relaxed);
    atomic_store_explicit(&snapshot.is_written, 0, memory_order_release);
}

/* ---- the start */

/* The loader's entry of a module, by its dynamic section; NULL: it has none. */
static const struct link_map *map_of(const struct dl_phdr_info *info)
{
    const struct r_debug *debug = libc_loader_list();
    uintptr_t dynamic = 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
            dynamic = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
    for (const struct link_map *map = debug ? debug->r_map : NULL; map; map = map->l_next)
        if ((uintptr_t)map->l_ld == dynamic)
            return map;
    return NULL;
}

/* Between the segments of a program there may be other modules. Libraries are mapped as a whole. */
static int add_resident(struct dl_phdr_info *info, size_t size, void *context)
{
    const struct link_map *map = map_of(info);
    struct entry whole = {.stays = true};
    (void)size;
    (void)context;
    if (!map)
        return 0;
    whole.is = (struct identity){map, map->l_prev, map->l_addr, map->l_name, map->l_ld};
    for (unsigned i = 0; i < info->dlpi_phnum; i++)
        note_header(&whole, &info->dlpi_phdr[i]);
    if (map->l_prev)
        insert(&snapshot.table[0], &whole);
    for (unsigned i = 0; !map->l_prev && i < info->dlpi_phnum; i++) {
        struct entry part = {.frame_hdr = whole.frame_hdr, .is = whole.is, .stays = true};
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            note_header(&part, &info->dlpi_phdr[i]);
            insert(&snapshot.table[0], &part);
        }
    }
    return 0;
}

void snapshot_start(void)
{
    const struct r_debug *debug = libc_loader_list();
    const struct link_map *last = debug ? debug->r_map : NULL;

    snapshot.table[0].count = 0;
    libc_iterate(add_resident, NULL);
    while (last && last->l_next)
        last = last->l_next;
    if (last)
        snapshot.table[0].last =
            (struct identity){last, last->l_prev, last->l_addr, last->l_name, last->l_ld};
}
