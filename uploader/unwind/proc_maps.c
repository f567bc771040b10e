/* SPDX-License-Identifier: Apache-2.0 */
#include "proc_maps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/encoding/utf8.h"
#include "uploader/process/owner.h"
#include "uploader/process/proc_text.h"
#include "uploader/process/tasks.h"

enum { MOST_MAPPINGS = 4096, MOST_REGIONS = 65536, LINE_BYTES = 4096 + 128 };

/* The kernel's own module: it is in memory only. */
static bool is_vdso(const struct proc_mapping *line)
{
    return !strcmp(line->path, "[vdso]");
}

static bool is_executable(const struct proc_mapping *line)
{
    return line->flags[2] == 'x';
}

/* The file at the path that the process sees. */
static int open_path(const struct proc_maps *maps, const struct proc_mapping *line)
{
    return maps->source->root_fd < 0 ? -1
                                     : owner_open(maps->source->owner, maps->source->root_fd, line->path);
}

/* The executable is open even if its path is gone. */
static int open_executable(const struct proc_maps *maps)
{
    return maps->source->exe_fd < 0 ? -1 : fcntl(maps->source->exe_fd, F_DUPFD_CLOEXEC, 0);
}

/* Takes over fd. NULL: it is not the file that is mapped here, as far as that can be told. Some file systems show another
   device in the list than to stat(). Such a file must be the same as what is in memory. */
static struct elf_image *open_if_mapped(int fd, const struct proc_mapping *line,
                                        const struct elf_image *memory)
{
    struct elf_image *image;
    struct stat st;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_ino != line->inode) {
        close(fd);
        return NULL;
    }
    image = elf_image_open(fd);
    if (!image || st.st_dev == line->device || !memory || elf_image_same(image, memory))
        return image;
    elf_image_release(image);
    return NULL;
}

/* The file. If it is gone, what is still open of it. Else the process's memory: head is where the file's beginning is
   mapped, 0: nowhere. A file that came later to the same path is not the process's. */
static struct elf_image *open_image(const struct proc_maps *maps, const struct proc_mapping *line,
                                    uint64_t head, bool *is_there)
{
    struct elf_image *memory = head ? elf_image_open_memory(maps->tid, maps->source->owner, head) : NULL,
                     *image;

    *is_there = false;
    if (is_vdso(line))
        return memory;
    image = open_if_mapped(open_path(maps, line), line, memory);
    *is_there = image;
    if (!image)
        image = open_if_mapped(open_executable(maps), line, memory);
    if (!image)
        image = elf_image_find(line->device, line->inode);
    if (!image)
        return memory;
    elf_image_release(memory);
    return image;
}

/* The path as the list has it, cleaned. " (deleted)" is cut off if a build id or fingerprint tells the file. */
static void clean_path(char path[LINE_BYTES], const struct proc_mapping *line, const struct elf_image *image,
                       bool is_there)
{
    static const char mark[] = " (deleted)";
    size_t length;

    utf8_clean(path, LINE_BYTES, line->path, true);
    length = strlen(path);
    if (image && (image->build_id_size || image->fingerprint) && !is_there && length > strlen(mark) &&
        !strcmp(path + length - strlen(mark), mark))
        path[length - strlen(mark)] = 0;
}

static bool is_ours(const char *path)
{
    const char *name = strrchr(path, '/');
    return name && !strncmp(name + 1, "libcprof.so", strlen("libcprof.so"));
}

static void region_add(struct proc_maps *maps, const struct proc_mapping *line)
{
    struct region *grown = maps->regions < MOST_REGIONS
                               ? array_reserve(maps->region, &maps->region_room, maps->regions, sizeof *grown)
                               : NULL;

    if (!grown)
        return;
    maps->region = grown;
    grown[maps->regions++] = (struct region){line->start, line->end, is_executable(line)};
}

static const struct elf_module *module_of(const struct proc_maps *maps, const char *path,
                                          const struct elf_image *image)
{
    uint8_t id[ELF_IMAGE_BUILD_ID] = {0};

    if (image && image->build_id_size)
        memcpy(id, image->build_id, sizeof id);
    else if (image)
        memcpy(id, &image->fingerprint, sizeof image->fingerprint);
    return symbols_module(maps->symbols, path, id, image ? image->build_id_size : 0);
}

static struct code_mapping mapping_open(const struct proc_maps *maps, const struct proc_mapping *line,
                                        uint64_t head)
{
    struct code_mapping mapping = {.start = line->start,
                                   .end = line->end,
                                   .ours = is_ours(line->path),
                                   .offset = line->offset,
                                   .inode = line->inode,
                                   .device = line->device};
    bool is_there;
    struct elf_image *image = open_image(maps, line, head, &is_there);
    char path[LINE_BYTES];
    uint64_t address = line->offset;

    if (image && (!elf_image_code_address(image, line->offset, &address) ||
                  (image->fd == -1 && address + image->bias != line->start))) {
        elf_image_release(image);
        image = NULL;
        address = line->offset;
    }
    clean_path(path, line, image, is_there);
    if (is_vdso(line))
        strcpy(path, "linux-vdso.so.1"); /* as the loader and the segment call it */
    mapping.image = image;
    mapping.bias = line->start - address;
    mapping.module = module_of(maps, path, image);
    return mapping;
}

/* The mapping as it was before, if it still is the same. */
static const struct code_mapping *find_old(const struct proc_maps *old, const struct proc_mapping *line)
{
    const struct code_mapping *mapping = proc_maps_find_code(old, line->start);
    bool same = mapping && mapping->start == line->start && mapping->end == line->end &&
                mapping->offset == line->offset && mapping->inode == line->inode &&
                mapping->device == line->device;
    return same ? mapping : NULL;
}

/* Returns whether the mapping is new. */
static bool mapping_add(struct proc_maps *maps, const struct proc_maps *old, const struct proc_mapping *line,
                        uint64_t head)
{
    struct code_mapping *grown = array_reserve(maps->mapping, &maps->room, maps->count, sizeof *grown);
    const struct code_mapping *before = find_old(old, line);

    if (!grown)
        return false;
    maps->mapping = grown;
    if (before && before->image)
        elf_image_retain(before->image);
    grown[maps->count++] = before ? *before : mapping_open(maps, line, head);
    return !before;
}

/* A program may copy its code to huge pages and put them in the place of the file's. The kernel shows such memory without a
   file, or as a file of huge pages. The code is still the file's whose beginning is mapped at head. */
static bool is_moved_code(const struct proc_mapping *line)
{
    static const char huge[] = "/anon_hugepage";

    return is_executable(line) && (!line->path[0] || !strncmp(line->path, huge, strlen(huge)));
}

static void adopt_code(const struct proc_maps *maps, const struct proc_mapping *head,
                       struct proc_mapping *line)
{
    struct proc_mapping like = *head;
    struct elf_image *image;
    bool is_there;

    like.start = line->start;
    image = open_image(maps, &like, head->start, &is_there);
    if (image && elf_image_code_offset(image, head->start, line->start, &line->offset)) {
        line->path = head->path;
        line->inode = head->inode;
        line->device = head->device;
    }
    elf_image_release(image);
}

/* The line at which the present file begins. */
struct head {
    struct proc_mapping at; /* start 0: unknown */
    char path[LINE_BYTES];
};

static void head_follow(const struct proc_maps *maps, struct head *head, struct proc_mapping *line)
{
    if (is_moved_code(line)) {
        if (head->at.start && head->path[0] == '/')
            adopt_code(maps, &head->at, line);
    } else if (!line->offset) {
        strcpy(head->path, line->path);
        head->at = *line;
        head->at.path = head->path;
    }
    if (line->inode != head->at.inode || line->device != head->at.device)
        head->at.start = 0;
}

static void mappings_drop(struct code_mapping *mapping, size_t count)
{
    for (size_t i = 0; i < count; i++)
        elf_image_release(mapping[i].image);
    free(mapping);
}

bool proc_maps_take_living(struct proc_maps *maps)
{
    pid_t tid = task_living(maps->pid, maps->tid);

    if (!tid || tid == maps->tid)
        return false;
    maps->tid = tid;
    for (size_t i = 0; i < maps->count; i++)
        if (maps->mapping[i].image && maps->mapping[i].image->fd == -1)
            maps->mapping[i].image->pid = tid;
    return true;
}

/* *empty: the process is ending, or its main thread has ended. What is known stays. */
static bool read_list(struct proc_maps *maps, bool fresh, bool *empty)
{
    /* Released last, so that files that stay mapped are not read again. */
    const struct proc_maps old = *maps, none = {0};
    char path[64], text[LINE_BYTES];
    struct proc_mapping line;
    struct head head = {{0}, ""};
    bool changed = fresh;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/task/%d/maps", (int)maps->pid, (int)maps->tid);
    file = fopen(path, "re");
    *empty = !file;
    if (!file)
        return false;
    maps->mapping = NULL;
    maps->count = maps->room = maps->regions = 0;
    while (fgets(text, sizeof text, file)) {
        if (!proc_mapping_parse(text, &line))
            continue;
        region_add(maps, &line);
        head_follow(maps, &head, &line);
        if (is_executable(&line) && (line.path[0] == '/' || is_vdso(&line)) && maps->count < MOST_MAPPINGS)
            changed |= mapping_add(maps, fresh ? &none : &old, &line, head.at.start);
    }
    fclose(file);
    if (!maps->count) {
        maps->mapping = old.mapping;
        maps->count = old.count;
        maps->room = old.room;
        *empty = true;
        return false;
    }
    changed |= maps->count != old.count;
    mappings_drop(old.mapping, old.count);
    return changed;
}

bool proc_maps_read(struct proc_maps *maps, bool fresh)
{
    bool empty, changed = read_list(maps, fresh, &empty);

    return empty && proc_maps_take_living(maps) ? read_list(maps, fresh, &empty) : changed;
}

void proc_maps_free(struct proc_maps *maps)
{
    mappings_drop(maps->mapping, maps->count);
    free(maps->region);
    maps->mapping = NULL;
    maps->region = NULL;
    maps->count = maps->room = maps->regions = maps->region_room = 0;
}

/* The kernel lists mappings in order. Items begin with their start and end. */
static int compare_address(const void *address, const void *item)
{
    uint64_t at = *(const uint64_t *)address;
    const uint64_t *range = item;

    return at < range[0] ? -1 : at >= range[1];
}

const struct code_mapping *proc_maps_find_code(const struct proc_maps *maps, uint64_t address)
{
    return maps->count ? bsearch(&address, maps->mapping, maps->count, sizeof *maps->mapping, compare_address)
                       : NULL;
}

const struct code_mapping *proc_maps_find_data(const struct proc_maps *maps, uint64_t address)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct code_mapping *mapping = &maps->mapping[i];
        if (mapping->image && address - mapping->bias >= mapping->image->low &&
            address - mapping->bias < mapping->image->high)
            return mapping;
    }
    return NULL;
}

const struct region *proc_maps_find_region(const struct proc_maps *maps, uint64_t address)
{
    return maps->regions
               ? bsearch(&address, maps->region, maps->regions, sizeof *maps->region, compare_address)
               : NULL;
}
