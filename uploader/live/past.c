/* SPDX-License-Identifier: Apache-2.0 */
#include "past.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/sinks/files/intervals.h"
#include "uploader/upload/sink.h"

static void note_file(struct past *past, const char *name, int64_t since_ms)
{
    struct past_file found = {0}, *grown;
    struct stat st;
    unsigned kind;

    if (!intervals_parse(name, &found.stamp_ms, &kind) || found.stamp_ms < since_ms ||
        fstatat(past->directory, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) || st.st_size <= 0)
        return;
    grown = array_reserve(past->file, &past->room, past->count, sizeof *grown);
    if (!grown)
        return;
    past->file = grown;
    found.kind = (enum profile_kind_id)kind;
    found.size = (size_t)st.st_size;
    past->file[past->count++] = found;
}

/* The newest come last, from where they are taken. */
static int by_time(const void *left, const void *right)
{
    const struct past_file *a = left, *b = right;

    return (a->stamp_ms > b->stamp_ms) - (a->stamp_ms < b->stamp_ms);
}

/* Whole intervals only: half an interval would look like one in which some types had nothing. */
static void leave_out(struct past *past, size_t room)
{
    size_t first = past->count, bytes = 0;

    for (size_t i = past->count; i-- > 0 && bytes <= room;) {
        bytes += past->file[i].size;
        if (bytes <= room && (!i || past->file[i - 1].stamp_ms != past->file[i].stamp_ms))
            first = i;
    }
    past->count -= first;
    for (size_t i = 0; i < past->count; i++)
        past->file[i] = past->file[first + i];
}

void past_open(struct past *past, const struct program *program, size_t room)
{
    const int64_t since_ms = realtime_of(program->start_ns) / MS_NS - 1;
    char path[UPLOAD_PATH + sizeof INTERVALS_NAME + 1];
    DIR *list;

    *past = (struct past){.directory = -1};
    if (!program->path)
        return;
    snprintf(path, sizeof path, "%s/%s", program->path, INTERVALS_NAME);
    past->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    list = past->directory < 0 ? NULL : fdopendir(dup(past->directory));
    for (struct dirent *entry; list && (entry = readdir(list));)
        note_file(past, entry->d_name, since_ms);
    if (list)
        closedir(list);
    if (past->count)
        qsort(past->file, past->count, sizeof *past->file, by_time);
    leave_out(past, room);
}

/* NULL: it cannot be read, or is no longer what it was. */
static uint8_t *read_file(int directory, const struct past_file *file)
{
    char name[INTERVAL_NAME_BYTES];
    uint8_t *data;
    int fd;

    intervals_name(file->stamp_ms, file->kind, name);
    fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    data = fd < 0 ? NULL : malloc(file->size);
    if (data && read(fd, data, file->size) != (ssize_t)file->size) {
        free(data);
        data = NULL;
    }
    if (fd >= 0)
        close(fd);
    return data;
}

bool past_next(struct past *past, struct past_file *file)
{
    while (past->count) {
        *file = past->file[--past->count];
        file->data = read_file(past->directory, file);
        if (file->data)
            return true;
    }
    return false;
}

void past_close(struct past *past)
{
    if (past->directory >= 0)
        close(past->directory);
    free(past->file);
    *past = (struct past){.directory = -1};
}
