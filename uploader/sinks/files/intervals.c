/* SPDX-License-Identifier: Apache-2.0 */
#include "intervals.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/base/ids.h"
#include "uploader/base/store.h"
#include "uploader/profile/profile.h"

#define DAY_S INT64_C(86400)

/* The files of one interval of one program. */
struct interval {
    int64_t stamp_ms;
    int64_t born_ms;    /* CLOCK_MONOTONIC; of those of earlier sessions, as far as their stamps tell */
    uint32_t directory; /* number in `directories` */
    uint32_t kib;
    uint32_t kinds;
};

struct intervals {
    const struct setting_keep *keep;
    struct interval *interval; /* a ring, oldest first */
    size_t first, count, room;
    uint64_t kib;
    struct text_ids directories;
    struct store names; /* of directories */
    bool is_listed;
};

struct intervals *intervals_new(const struct setting_keep *keep)
{
    struct intervals *intervals = calloc(1, sizeof(*intervals));

    if (intervals)
        intervals->keep = keep;
    return intervals;
}

void intervals_free(struct intervals *intervals)
{
    if (!intervals)
        return;
    text_ids_free(&intervals->directories);
    store_free(&intervals->names);
    free(intervals->interval);
    free(intervals);
}

/* 0: no memory. */
static uint32_t directory_number(struct intervals *intervals, const char *name)
{
    const char *kept = store_text(&intervals->names, name, strlen(name));

    return *kept ? text_ids_get(&intervals->directories, kept, NULL) : 0;
}

static bool ring_grow(struct intervals *intervals)
{
    size_t room = intervals->room ? 2 * intervals->room : 64;
    struct interval *ring = malloc(room * sizeof(*ring));

    if (!ring)
        return false;
    for (size_t i = 0; i < intervals->count; i++)
        ring[i] = intervals->interval[(intervals->first + i) % intervals->room];
    free(intervals->interval);
    intervals->interval = ring;
    intervals->room = room;
    intervals->first = 0;
    return true;
}

static bool ring_add(struct intervals *intervals, const struct interval *interval)
{
    if (intervals->count == intervals->room && !ring_grow(intervals))
        return false;
    intervals->interval[(intervals->first + intervals->count++) % intervals->room] = *interval;
    intervals->kib += interval->kib;
    return true;
}

/* --- names --- */

void intervals_name(int64_t stamp_ms, unsigned kind, char name[INTERVAL_NAME_BYTES])
{
    time_t seconds = (time_t)(stamp_ms / 1000);
    struct tm tm;
    char time[32];

    gmtime_r(&seconds, &tm);
    strftime(time, sizeof(time), "%Y%m%dT%H%M%S", &tm);
    snprintf(name, INTERVAL_NAME_BYTES, "%s.%03dZ-%s.pb.gz", time, (int)(stamp_ms % 1000),
             profile_kinds[kind].name);
}

bool intervals_parse(const char *name, int64_t *stamp_ms, unsigned *kind)
{
    char again[INTERVAL_NAME_BYTES], type[32];
    struct tm tm = {0};
    int ms;

    if (strlen(name) >= INTERVAL_NAME_BYTES ||
        sscanf(name, "%4d%2d%2dT%2d%2d%2d.%3dZ-%31[a-z_]", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &ms, type) != 8)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *stamp_ms = (int64_t)timegm(&tm) * 1000 + ms;
    for (*kind = 0; *kind < KIND_IDS; ++*kind) {
        intervals_name(*stamp_ms, *kind, again);
        if (*stamp_ms > 0 && !strcmp(again, name))
            return true;
    }
    return false;
}

/* --- what earlier sessions left --- */

struct found {
    struct interval *interval;
    size_t count, room;
};

static void found_add(struct found *found, const struct interval *interval)
{
    struct interval *grown = array_reserve(found->interval, &found->room, found->count, sizeof *grown);

    if (!grown)
        return;
    found->interval = grown;
    found->interval[found->count++] = *interval;
}

static uint32_t kib_of(const struct stat *st)
{
    uint64_t bytes = (uint64_t)st->st_blocks * 512;

    if (bytes < (uint64_t)st->st_size)
        bytes = (uint64_t)st->st_size;
    bytes = (bytes + 1023) / 1024;
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/* ".NAME.tmp": what an uploader that was killed was writing. */
static void remove_draft(int directory, const char *name)
{
    char inner[INTERVAL_NAME_BYTES];
    size_t length = strlen(name);
    int64_t stamp_ms;
    unsigned kind;

    if (*name != '.' || length < 5 || length - 4 > sizeof(inner) || strcmp(name + length - 4, ".tmp") != 0)
        return;
    memcpy(inner, name + 1, length - 5);
    inner[length - 5] = 0;
    if (intervals_parse(inner, &stamp_ms, &kind))
        unlinkat(directory, name, 0);
}

static DIR *open_list(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);

    if (fd >= 0 && !list)
        close(fd);
    return list;
}

static void list_files(struct found *found, int program, uint32_t directory)
{
    DIR *list = open_list(program, INTERVALS_NAME);

    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct interval interval = {.directory = directory};
        struct stat st;
        unsigned kind;
        if (!intervals_parse(entry->d_name, &interval.stamp_ms, &kind)) {
            remove_draft(dirfd(list), entry->d_name);
            continue;
        }
        if (fstatat(dirfd(list), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
            continue;
        interval.kinds = 1u << kind;
        interval.kib = kib_of(&st);
        found_add(found, &interval);
    }
    if (list)
        closedir(list);
}

static int by_time(const void *left, const void *right)
{
    const struct interval *a = left, *b = right;

    if (a->stamp_ms != b->stamp_ms)
        return a->stamp_ms < b->stamp_ms ? -1 : 1;
    return (a->directory > b->directory) - (a->directory < b->directory);
}

static void take_found(struct intervals *intervals, const struct found *found)
{
    int64_t now_ms = monotonic_ns() / MS_NS, clock_ms = clock_ns(CLOCK_REALTIME) / MS_NS;

    for (size_t i = 0; i < found->count; i++) {
        struct interval interval = found->interval[i];
        int64_t age_ms = clock_ms - interval.stamp_ms;
        for (; i + 1 < found->count && !by_time(&found->interval[i], &found->interval[i + 1]); i++) {
            interval.kinds |= found->interval[i + 1].kinds;
            interval.kib += found->interval[i + 1].kib;
        }
        interval.born_ms = now_ms - (age_ms > 0 ? age_ms : 0);
        ring_add(intervals, &interval);
    }
}

static void list_all(struct intervals *intervals, int out)
{
    struct found found = {0};
    DIR *list = open_list(out, ".");

    for (struct dirent *entry; list && (entry = readdir(list));) {
        uint32_t number;
        int program;
        if (*entry->d_name == '.')
            continue;
        program = openat(out, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (program < 0)
            continue;
        if (!faccessat(program, DIRECTORY_MARK, F_OK, AT_SYMLINK_NOFOLLOW) &&
            (number = directory_number(intervals, entry->d_name)))
            list_files(&found, program, number);
        close(program);
    }
    if (list)
        closedir(list);
    if (found.count)
        qsort(found.interval, found.count, sizeof(*found.interval), by_time);
    take_found(intervals, &found);
    free(found.interval);
}

/* --- this session --- */

static bool is_taken(int directory, int64_t stamp_ms, unsigned kinds)
{
    char name[INTERVAL_NAME_BYTES];

    for (unsigned kind = 0; kind < KIND_IDS; kind++) {
        intervals_name(stamp_ms, kind, name);
        if (kinds >> kind & 1 && !faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW))
            return true;
    }
    return false;
}

int64_t intervals_stamp(int directory, unsigned kinds, int64_t time_ns)
{
    int64_t stamp_ms = time_ns / MS_NS;

    while (is_taken(directory, stamp_ms, kinds))
        stamp_ms++;
    return stamp_ms;
}

void intervals_list(struct intervals *intervals, int out)
{
    if (!intervals->is_listed)
        list_all(intervals, out);
    intervals->is_listed = true;
}

void intervals_add(struct intervals *intervals, const char *directory, int64_t stamp_ms, unsigned kinds,
                   uint64_t bytes)
{
    const struct interval interval = {
        .stamp_ms = stamp_ms,
        .born_ms = monotonic_ns() / MS_NS,
        .directory = directory_number(intervals, directory),
        .kib = (uint32_t)(bytes / 1024),
        .kinds = kinds,
    };

    if (interval.directory)
        ring_add(intervals, &interval);
}

bool intervals_get(const struct intervals *intervals, size_t age, struct interval_files *interval)
{
    const struct interval *found;

    if (age >= intervals->count)
        return false;
    found = &intervals->interval[(intervals->first + intervals->count - 1 - age) % intervals->room];
    *interval = (struct interval_files){
        .directory = text_ids_text(&intervals->directories, found->directory),
        .stamp_ms = found->stamp_ms,
        .kinds = found->kinds,
        .bytes = (size_t)found->kib * 1024,
    };
    return true;
}

static void remove_files(const struct intervals *intervals, int out, const struct interval *interval)
{
    const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    int program = openat(out, text_ids_text(&intervals->directories, interval->directory), flags);
    int directory = program < 0 ? -1 : openat(program, INTERVALS_NAME, flags);

    for (unsigned kind = 0; directory >= 0 && kind < KIND_IDS; kind++) {
        char name[INTERVAL_NAME_BYTES];
        if (!(interval->kinds >> kind & 1))
            continue;
        intervals_name(interval->stamp_ms, kind, name);
        unlinkat(directory, name, 0);
    }
    if (directory >= 0)
        close(directory);
    if (program >= 0)
        close(program);
}

static bool is_over(const struct intervals *intervals, const struct interval *oldest, int64_t now_ms)
{
    const struct setting_keep *keep = intervals->keep;

    return intervals->kib > keep->bytes / 1024 ||
           (uint64_t)(now_ms - oldest->born_ms) > keep->ns / (uint64_t)MS_NS;
}

void intervals_trim(struct intervals *intervals, int out)
{
    int64_t now_ms = monotonic_ns() / MS_NS;

    while (intervals->count && is_over(intervals, &intervals->interval[intervals->first], now_ms)) {
        const struct interval *oldest = &intervals->interval[intervals->first];
        remove_files(intervals, out, oldest);
        intervals->kib -= oldest->kib;
        intervals->first = (intervals->first + 1) % intervals->room;
        intervals->count--;
    }
}
