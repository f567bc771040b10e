// SPDX-License-Identifier: Apache-2.0
#include "module_record.h"

#include <elf.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "sampler/base/nofault.h"
#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"

/* Keys of modules that are in the segment, which spare looking them up there. A new generation voids them. */
enum { RECORDED = 64 };
static struct {
    _Atomic uint64_t key[RECORDED];
    _Atomic uint32_t generation;
} recorded;

/* A path in two parts, joined by a slash where there is a directory. */
struct split_path {
    const char *directory, *name;
};

/* Memory of the loader's, or ours. */
static bool read_loaders(const struct module *module, void *to, const void *from, size_t size)
{
    if (nofault_is_available())
        return nofault_read(to, (uintptr_t)from, size);
    if (module->stays)
        memcpy(to, from, size);
    return module->stays;
}

/* false: there is no header with this index, or it cannot be read. Only headers in the first page of a file
   are read. */
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

/* Address minus ELF virtual address. The mapping starts with the first segment. */
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

/* Notes with 8-byte alignment are properties, which are padded differently. */
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

/* In pieces of whole words, as layout_fingerprint() reads it. */
static uint64_t add_to_fingerprint(uint64_t fingerprint, struct peek *peek, uintptr_t at, size_t size)
{
    for (size_t done = 0; done < size;) {
        size_t part = size - done < PEEK_WINDOW ? size - done : PEEK_WINDOW;
        const uint8_t *bytes = peek_at(peek, at + done, part);
        if (!bytes)
            return fingerprint;
        fingerprint = layout_fingerprint(fingerprint, bytes, part);
        done += part;
    }
    return fingerprint;
}

static void put_fingerprint(struct seg_module *entry, struct peek *peek, uintptr_t bias)
{
    Elf64_Phdr header;
    uint64_t fingerprint = 0;
    for (unsigned i = 0; program_header(peek, i, &header); i++)
        fingerprint = layout_fingerprint(fingerprint, &header, sizeof(header));
    for (unsigned i = 0; program_header(peek, i, &header); i++)
        fingerprint =
            add_to_fingerprint(fingerprint, peek, bias + header.p_vaddr, layout_fingerprint_size(&header));
    memcpy(entry->build_id, &fingerprint, sizeof(fingerprint));
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
        put_fingerprint(entry, peek, entry->bias);
}

/* Copies the loader's name of the module. The page that the name ends in may be followed by a hole. */
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
        if (!nofault_is_available())
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
    if (path->name[0] != '/' && path->name[0] != '\0')
        path->directory = module_directory(module);
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

/* Byte 0 of strings[] stays unused, so that offset 0 means none. The last byte stays 0, so that every path
   is terminated. */
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

/* The newest entry that overlaps these addresses. If the path is in the segment already, *same_path is its
   offset. */
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

static uint64_t recorded_key(const struct module *module)
{
    uint64_t generation = atomic_load_explicit(&recorded.generation, memory_order_relaxed);
    return (module->key ^ generation * UINT64_C(0x9e3779b97f4a7c15)) | 1; /* 0 is unused */
}

/* Relaxed: a key that is lost or late only costs the look-up. If two threads race, the entry is added
   twice, which does no harm. */
bool module_record(struct segment *segment, struct peek *peek, char room[MODULE_ROOM])
{
    const struct module *module = &peek->module;
    uint64_t key = recorded_key(module);
    _Atomic uint64_t *known = &recorded.key[key >> 58];
    if (__builtin_expect(atomic_load_explicit(known, memory_order_relaxed) == key, 1))
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
        /* If no other module was ever there, the entry holds for every epoch. */
        if (newest)
            wanted.epoch = 1 + atomic_fetch_add_explicit(&segment->header.epoch, 1, memory_order_relaxed);
        entry_add(segment, &wanted);
    }
    if (module_is_steady(module))
        atomic_store_explicit(known, key, memory_order_relaxed);
    return true;
}

void module_record_again(void)
{
    atomic_fetch_add_explicit(&recorded.generation, 1, memory_order_relaxed);
}
