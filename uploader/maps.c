/* SPDX-License-Identifier: Apache-2.0 */
#include "maps.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "utf8.h"

enum { MOST_MAPPINGS = 4096, LINE_BYTES = 4096 + 128 };

struct line {
    uint64_t start, end, offset, inode;
    unsigned major, minor;
    char flags[5];
    const char *path;
};

static bool line_parse(char *text, struct line *line)
{
    int at = 0;

    text[strcspn(text, "\n")] = 0;
    if (sscanf(text, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &line->start, &line->end,
               line->flags, &line->offset, &line->major, &line->minor, &line->inode, &at) != 7 ||
        !at)
        return false;
    line->path = text + at;
    return line->flags[2] == 'x' && line->path[0] == '/';
}

/* As the process sees its files; the executable also where its path is gone. Another file of that name, one
   that came later, is none of the process's. */
static int open_file(const struct maps *maps, const struct line *line)
{
    int fd = maps->source->root_fd < 0
                 ? -1
                 : openat(maps->source->root_fd, line->path + 1, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd != -1 && !fstat(fd, &st) && st.st_ino == line->inode && S_ISREG(st.st_mode))
        return fd;
    if (fd != -1)
        close(fd);
    if (maps->source->exe_fd < 0 || fstat(maps->source->exe_fd, &st) || st.st_ino != line->inode)
        return -1;
    return fcntl(maps->source->exe_fd, F_DUPFD_CLOEXEC, 0);
}

static bool is_ours(const char *path)
{
    const char *name = strrchr(path, '/');
    return name && !strncmp(name + 1, "libcprof.so", strlen("libcprof.so"));
}

static void mapping_add(struct maps *maps, const struct line *line)
{
    struct mapping *grown = realloc(maps->mapping, (maps->count + 1) * sizeof *grown), *mapping;
    char path[LINE_BYTES];
    uint64_t address;
    int fd;

    if (!grown)
        return;
    maps->mapping = grown;
    mapping = &grown[maps->count];
    *mapping = (struct mapping){.start = line->start, .end = line->end, .ours = is_ours(line->path)};
    utf8_clean(path, sizeof path, line->path, true);
    fd = open_file(maps, line);
    mapping->image = fd == -1 ? NULL : image_open(fd);
    if (mapping->image && !image_address(mapping->image, line->offset, &address)) {
        image_release(mapping->image);
        mapping->image = NULL;
    }
    mapping->bias = line->start - (mapping->image ? address : line->offset);
    mapping->module = symbols_module(maps->symbols, path, mapping->image ? mapping->image->build_id : NULL,
                                     mapping->image ? mapping->image->build_id_size : 0);
    maps->count++;
}

static void mappings_drop(struct mapping *mapping, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_release(mapping[i].image);
    free(mapping);
}

void maps_read(struct maps *maps)
{
    /* Released after the new ones are open, so that files that stay are not read again. */
    struct mapping *old = maps->mapping;
    size_t count = maps->count;
    char path[64], text[LINE_BYTES];
    struct line line;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)maps->pid);
    file = fopen(path, "re");
    if (!file)
        return;
    maps->mapping = NULL;
    maps->count = 0;
    while (maps->count < MOST_MAPPINGS && fgets(text, sizeof text, file))
        if (line_parse(text, &line))
            mapping_add(maps, &line);
    fclose(file);
    if (maps->count) {
        mappings_drop(old, count);
    } else { /* it is ending: what we know of it is the last that can be known */
        maps->mapping = old;
        maps->count = count;
    }
}

void maps_free(struct maps *maps)
{
    mappings_drop(maps->mapping, maps->count);
    maps->mapping = NULL;
    maps->count = 0;
}

const struct mapping *maps_find_code(const struct maps *maps, uint64_t address)
{
    size_t low = 0, high = maps->count;

    while (low < high) { /* the kernel lists them in order */
        size_t middle = (low + high) / 2;
        if (address >= maps->mapping[middle].end)
            low = middle + 1;
        else
            high = middle;
    }
    return low < maps->count && address >= maps->mapping[low].start ? &maps->mapping[low] : NULL;
}

const struct mapping *maps_find_data(const struct maps *maps, uint64_t address)
{
    for (size_t i = 0; i < maps->count; i++) {
        const struct mapping *mapping = &maps->mapping[i];
        if (mapping->image && address - mapping->bias >= mapping->image->low &&
            address - mapping->bias < mapping->image->high)
            return mapping;
    }
    return NULL;
}
