/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/hash.h"

enum {
    MOST_FILES = 200,
    MOST_FILE_BYTES = 1 << 20,
    MOST_BYTES = 8 << 20, /* of all files */
};

static const char *const endings[] = {
    ".c",   ".cc",  ".cpp", ".cxx", ".c++", ".h", ".hh", ".hpp", ".hxx",  ".h++",
    ".inl", ".ipp", ".tcc", ".rs",  ".go",  ".s", ".S",  ".m",   ".mm",   ".f",
    ".f90", ".zig", ".d",   ".nim", ".cu",  ".y", ".l",  ".py",  ".java",
};

static bool is_source(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (!strcmp(dot, endings[i]))
            return true;
    return false;
}

/* --- which files --- */

/* NULL: no memory. */
static struct source *source_of(struct sources *sources, const char *path)
{
    uint32_t hash = (uint32_t)hash_bytes(path, strlen(path)), found;
    struct source *grown;
    size_t cursor = 0;

    while ((found = index_next(&sources->index, hash, &cursor)))
        if (!strcmp(sources->source[found - 1].path, path))
            return &sources->source[found - 1];
    grown = array_reserve(sources->source, &sources->room, sources->count, sizeof *grown);
    if (!grown)
        return NULL;
    sources->source = grown;
    grown[sources->count] = (struct source){.path = strdup(path)};
    if (!grown[sources->count].path)
        return NULL;
    if (index_add(&sources->index, hash, (uint32_t)sources->count)) {
        free(grown[sources->count].path);
        return NULL;
    }
    return &grown[sources->count++];
}

/* By node, the default type's value with all that is below, from the leaves to the root. */
static double *sum_nodes(const struct read_profile *profile)
{
    double *sum = calloc(profile->nodes + 1, sizeof *sum);

    if (!sum)
        return NULL;
    for (size_t i = 0; i < profile->samples; i++)
        sum[profile->sample[i].node] += (double)profile->value[i * profile->types + profile->default_type];
    for (size_t i = profile->nodes; i-- > 1;)
        sum[profile->node[i].parent] += sum[i];
    return sum;
}

int sources_note(struct sources *sources, const struct read_profile *profile)
{
    double *sum = sum_nodes(profile), *function = calloc(profile->functions + 1, sizeof *function);
    int rc = sum && function ? 0 : -ENOMEM;

    for (size_t i = 1; i < profile->nodes && !rc; i++)
        function[profile->frame[profile->node[i].frame].function] += sum[i];
    for (size_t i = 0; i < profile->functions && !rc; i++) {
        const char *file = profile->function[i].file;
        struct source *source = is_source(file) ? source_of(sources, file) : NULL;
        if (source && sum[0] > 0)
            source->share += function[i] / sum[0];
        else if (!source && is_source(file))
            rc = -ENOMEM;
    }
    free(sum);
    free(function);
    return rc;
}

/* --- their texts --- */

/* NULL: it is no text, or cannot be read. malloc'ed. */
static char *read_text(const char *path, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    char *text = NULL;
    ssize_t got = -1;

    if (fd < 0)
        return NULL;
    if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= MOST_FILE_BYTES &&
        (size_t)st.st_size <= room)
        text = malloc((size_t)st.st_size + 1);
    if (text)
        got = read(fd, text, (size_t)st.st_size);
    close(fd);
    if (got > 0)
        text[got] = 0;
    if (got <= 0 || strlen(text) != (size_t)got) {
        free(text);
        return NULL;
    }
    return text;
}

/* In the directory that was named, with as much of the path as there is: a build elsewhere had other directories above. */
static char *read_below(const char *directory, const char *path, size_t room)
{
    char place[PATH_MAX];
    char *text = NULL;

    for (const char *rest = path; rest && !text; rest = strchr(rest, '/')) {
        rest += strspn(rest, "/");
        if (snprintf(place, sizeof place, "%s/%s", directory, rest) < (int)sizeof place)
            text = read_text(place, room);
    }
    return text;
}

static int by_share(const void *left, const void *right)
{
    const struct source *a = left, *b = right;

    if (a->share != b->share)
        return a->share < b->share ? 1 : -1;
    return strcmp(a->path, b->path);
}

void sources_put(struct sources *sources, struct page *page)
{
    size_t room = MOST_BYTES;

    index_free(&sources->index); /* their order changes */
    if (sources->count)
        qsort(sources->source, sources->count, sizeof *sources->source, by_share);
    for (size_t i = 0; i < sources->count && sources->taken < MOST_FILES; i++) {
        const char *path = sources->source[i].path;
        char *text = *path == '/' ? read_text(path, room) : NULL;
        if (!text && sources->directory)
            text = read_below(sources->directory, path, room);
        if (!text)
            continue;
        room -= strlen(text);
        page_add_source(page, path, text);
        sources->taken++;
        free(text);
    }
}

void sources_free(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->source[i].path);
    free(sources->source);
    index_free(&sources->index);
    *sources = (struct sources){.directory = NULL};
}
