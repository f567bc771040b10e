/* SPDX-License-Identifier: Apache-2.0 */
#include "perfmap.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/process/owner.h"

enum {
    MAP_MOST = 256 * 1024 * 1024, /* bytes of a file */
    ENTRIES_MOST = 1024 * 1024,
    BLOCK = 64 * 1024,
    NEIGHBOURS = 64, /* entries before an address that may still cover it */
};

/* The names stay in the file: a map of 100,000 functions takes 2 MB here, not 20. */
struct perfmap_entry {
    uint64_t start;
    uint32_t size;
    uint32_t name; /* offset in the file; of two entries the larger one is the newer one */
};

struct perfmap {
    struct perfmap_entry *entry;
    size_t count, room;
    int fd;
    dev_t device;
    ino_t inode;
    off_t parsed; /* bytes of whole lines taken so far */
    unsigned generation;
};

struct perfmap *perfmap_new(void)
{
    struct perfmap *map = calloc(1, sizeof *map);
    if (map)
        map->fd = -1;
    return map;
}

void perfmap_forget(struct perfmap *map)
{
    if (map->fd >= 0)
        close(map->fd);
    map->fd = -1;
    free(map->entry);
    map->entry = NULL;
    map->count = map->room = 0;
    map->parsed = 0;
}

unsigned perfmap_generation(const struct perfmap *map)
{
    return map->generation;
}

void perfmap_free(struct perfmap *map)
{
    if (!map)
        return;
    perfmap_forget(map);
    free(map);
}

size_t perfmap_bytes(const struct perfmap *map)
{
    return map->room * sizeof *map->entry;
}

static int entry_add(struct perfmap *map, const struct perfmap_entry *entry)
{
    struct perfmap_entry *grown =
        map->count < ENTRIES_MOST ? array_reserve(map->entry, &map->room, map->count, sizeof *grown) : NULL;
    if (!grown)
        return -ENOMEM;
    map->entry = grown;
    grown[map->count++] = *entry;
    return 0;
}

static bool hex_read(const char **text, uint64_t *value)
{
    char *end;
    if (!isxdigit((unsigned char)**text))
        return false;
    errno = 0;
    *value = strtoull(*text, &end, 16);
    const bool good = errno == 0 && *end == ' ';
    *text = end + good;
    return good;
}

/* line is NUL-terminated and stands at this offset. Malformed lines are skipped. */
static int line_add(struct perfmap *map, const char *line, off_t offset)
{
    const char *text = line;
    uint64_t start, size;
    if (!hex_read(&text, &start) || !hex_read(&text, &size) || !*text || !size)
        return 0;
    const struct perfmap_entry entry = {.start = start,
                                        .size = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size,
                                        .name = (uint32_t)(offset + (text - line))};
    return entry_add(map, &entry);
}

/* Takes the whole lines of the block; returns how many bytes they were, or negative errno. */
static ssize_t block_parse(struct perfmap *map, char *block, size_t size)
{
    char *line = block, *end;
    while ((end = memchr(line, '\n', (size_t)(block + size - line)))) {
        *end = '\0';
        const int error = line_add(map, line, map->parsed + (line - block));
        if (error < 0)
            return error;
        line = end + 1;
    }
    return line - block;
}

static int entry_compare(const void *a, const void *b)
{
    const struct perfmap_entry *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    return left->name < right->name ? -1 : left->name > right->name;
}

/* Sorts, and keeps the newest of each start address. */
static void entries_settle(struct perfmap *map)
{
    size_t kept = 0;
    if (!map->count)
        return;
    qsort(map->entry, map->count, sizeof *map->entry, entry_compare);
    for (size_t i = 0; i < map->count; i++) {
        if (kept && map->entry[kept - 1].start == map->entry[i].start)
            kept--;
        map->entry[kept++] = map->entry[i];
    }
    map->count = kept;
}

static void map_read(struct perfmap *map, off_t size)
{
    char *block = malloc(BLOCK);
    while (block && map->parsed < size) {
        const ssize_t got = pread(map->fd, block, BLOCK, map->parsed);
        if (got <= 0)
            break;
        ssize_t taken = block_parse(map, block, (size_t)got);
        if (taken == 0 && got == BLOCK)
            taken = got; /* no name is that long */
        if (taken <= 0)
            break;
        map->parsed += taken;
    }
    free(block);
}

/* The file belongs to root or to the process's user, so its names may be believed. */
static bool is_trusted(const struct stat *stat, const struct owner *owner)
{
    const uid_t user = owner && !owner->trusted ? owner->uid : geteuid();
    return S_ISREG(stat->st_mode) && (stat->st_uid == 0 || stat->st_uid == user);
}

/* Takes fd over. It is the file that is being read, or takes its place. */
static void map_use(struct perfmap *map, int fd, const struct stat *stat)
{
    const bool same = stat->st_dev == map->device && stat->st_ino == map->inode;
    if (same && map->fd >= 0 && stat->st_size >= map->parsed) {
        close(fd);
        return;
    }
    perfmap_forget(map);
    map->fd = fd;
    map->device = stat->st_dev;
    map->inode = stat->st_ino;
    map->generation += !same;
}

int perfmap_refresh(struct perfmap *map, const struct owner *owner, int root_fd, int pid)
{
    char path[48];
    struct stat stat;
    snprintf(path, sizeof path, "/tmp/perf-%d.map", pid);
    const int fd = owner_open(owner, root_fd, path);
    if (fd < 0)
        return map->fd >= 0 ? 0 : fd; /* removed at exit: what was read still holds */
    if (fstat(fd, &stat) < 0 || !is_trusted(&stat, owner)) {
        close(fd);
        return -EPERM;
    }
    map_use(map, fd, &stat);
    const off_t before = map->parsed;
    map_read(map, stat.st_size < MAP_MOST ? stat.st_size : MAP_MOST);
    if (map->parsed != before)
        entries_settle(map);
    return 0;
}

static const struct perfmap_entry *entry_find(const struct perfmap *map, uint64_t address)
{
    size_t low = 0, high = map->count;
    const struct perfmap_entry *found = NULL;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (map->entry[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = 0; i < NEIGHBOURS && i < low; i++) {
        const struct perfmap_entry *entry = &map->entry[low - 1 - i];
        if (address - entry->start < entry->size && (!found || entry->name > found->name))
            found = entry;
    }
    return found;
}

size_t perfmap_find(const struct perfmap *map, uint64_t address, char *name, size_t size)
{
    const struct perfmap_entry *entry = entry_find(map, address);
    if (!entry || size < 2)
        return 0;
    const ssize_t got = pread(map->fd, name, size - 1, entry->name);
    if (got <= 0)
        return 0;
    name[got] = '\0';
    const size_t length = strcspn(name, "\n");
    name[length] = '\0';
    return length;
}
