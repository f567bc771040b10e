/* SPDX-License-Identifier: Apache-2.0 */
/* What other uploaders left in the spool. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool_state.h"
#include "uploader/base/array.h"
#include "uploader/base/clock.h"

/* A lock that can be had is a dead one's. Whoever cannot look at it lets it be. */
static bool is_alive(const struct spool *spool, uint32_t owner)
{
    char name[SPOOL_LOCK_NAME_BYTES];
    bool alive;
    int fd;

    spool_lock_name(owner, name);
    fd = openat(spool->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno != ENOENT;
    alive = flock(fd, LOCK_SH | LOCK_NB) != 0;
    close(fd);
    return alive;
}

struct owner {
    uint32_t number; /* first: sorted by it */
    bool alive;
};
/* One look at the directory. */
struct look {
    struct spool *spool;
    struct spool_scan *scan;
    struct owner *owner;
    size_t owners, owner_room;
    struct request_name *left; /* of dead owners */
    size_t count, room;
};

static bool find_alive(struct look *look, uint32_t number)
{
    struct owner *grown;

    if (number == look->spool->owner)
        return true;
    for (size_t i = 0; i < look->owners; i++)
        if (look->owner[i].number == number)
            return look->owner[i].alive;
    grown = array_reserve(look->owner, &look->owner_room, look->owners, sizeof(*look->owner));
    if (!grown)
        return true;
    look->owner = grown;
    look->owner[look->owners] = (struct owner){number, is_alive(look->spool, number)};
    return look->owner[look->owners++].alive;
}

static void look_at(struct look *look, const char *file)
{
    const struct spool *spool = look->spool;
    struct request_name name;
    struct request_name *grown;
    uint32_t number;
    int end = 0;

    if (sscanf(file, "lock-%8x%n", &number, &end) == 1 && end == 13 && !file[end]) {
        find_alive(look, number);
        return;
    }
    if (!request_name_read(&name, file + (*file == '.')))
        return;
    if (find_alive(look, name.owner)) {
        if (name.owner != spool->owner)
            look->scan->others_bytes += spool_weight(name.size);
        return;
    }
    if (*file == '.') { /* a draft: what it holds was never acknowledged */
        unlinkat(spool->directory, file, 0);
        return;
    }
    grown = array_reserve(look->left, &look->room, look->count, sizeof(*look->left));
    if (!grown)
        return;
    look->left = grown;
    look->left[look->count++] = name;
}

/* In a directory that users share there are files of others. */
static bool is_our_users(const struct look *look, const struct request_name *name)
{
    char text[REQUEST_NAME_BYTES];
    struct stat st;

    request_name_write(name, text);
    return !fstatat(look->spool->directory, text, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid();
}

static int by_time(const void *a, const void *b)
{
    const struct request_name *left = a, *right = b;

    return (left->time_ns > right->time_ns) - (left->time_ns < right->time_ns);
}

static bool remove_left(const struct look *look, const struct request_name *name)
{
    char text[REQUEST_NAME_BYTES];

    request_name_write(name, text);
    return !unlinkat(look->spool->directory, text, 0);
}

/* true: it is ours now. */
static bool adopt(const struct look *look, struct request_name *name, struct spool_entry *entry)
{
    struct spool *spool = look->spool;
    char from[REQUEST_NAME_BYTES], to[REQUEST_NAME_BYTES];

    *entry = (struct spool_entry){name->time_ns, name->series, spool->next_unique++, name->size};
    request_name_write(name, from);
    spool_entry_name(spool, entry, to);
    if (renameat(spool->directory, from, spool->directory, to))
        return false;
    name->owner = spool->owner;
    return true;
}

/* Of another destination: it waits for an uploader that has it, until it is too old or takes others' room. */
static void judge(const struct look *look, const struct request_name *name, uint64_t *bytes)
{
    const struct spool_settings *settings = &look->spool->settings;
    struct spool_scan *scan = look->scan;
    bool is_old = settings->most_ns && clock_ns(CLOCK_REALTIME) - name->time_ns > settings->most_ns;

    if ((is_old || *bytes > settings->most_bytes) && remove_left(look, name)) {
        *bytes -= spool_weight(name->size);
        *(is_old ? &scan->dropped_age : &scan->dropped_size) += 1;
        return;
    }
    scan->others_bytes += spool_weight(name->size);
    scan->elsewhere += !strcmp(name->kind, settings->kind);
}

static void take_left(struct look *look, uint64_t bytes, spool_found *found, void *context)
{
    const struct spool_settings *settings = &look->spool->settings;
    struct spool_entry entry;

    if (look->count)
        qsort(look->left, look->count, sizeof(*look->left), by_time);
    bytes += look->scan->others_bytes;
    for (size_t i = 0; i < look->count; i++)
        bytes += spool_weight(look->left[i].size);
    for (size_t i = 0; i < look->count; i++) {
        struct request_name *name = &look->left[i];
        if (!is_our_users(look, name))
            continue;
        if (name->destination != settings->destination || strcmp(name->kind, settings->kind) != 0)
            judge(look, name, &bytes);
        else if (adopt(look, name, &entry))
            found(context, &entry);
    }
}

/* The locks of dead uploaders without files. */
static void remove_lock(const struct spool *spool, uint32_t owner)
{
    char name[SPOOL_LOCK_NAME_BYTES];
    int fd;

    spool_lock_name(owner, name);
    fd = openat(spool->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
        unlinkat(spool->directory, name, 0);
    if (fd >= 0)
        close(fd);
}

static void remove_locks(const struct look *look)
{
    for (size_t i = 0; i < look->owners; i++) {
        bool is_needed = look->owner[i].alive;
        for (size_t n = 0; n < look->count && !is_needed; n++)
            is_needed = look->left[n].owner == look->owner[i].number;
        if (!is_needed)
            remove_lock(look->spool, look->owner[i].number);
    }
}

static DIR *open_to_read(const struct spool *spool)
{
    int fd = openat(spool->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);

    if (!directory && fd >= 0)
        close(fd);
    return directory;
}

void spool_take_over(struct spool *spool, uint64_t own_bytes, struct spool_scan *scan, spool_found *found,
                     void *context)
{
    struct look look = {.spool = spool, .scan = scan};
    DIR *directory;
    const struct dirent *file;

    *scan = (struct spool_scan){0};
    spool_renew(spool);
    directory = open_to_read(spool);
    if (!directory)
        return;
    while ((file = readdir(directory)))
        look_at(&look, file->d_name);
    closedir(directory);
    take_left(&look, own_bytes, found, context);
    remove_locks(&look);
    free(look.left);
    free(look.owner);
}
