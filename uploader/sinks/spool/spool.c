/* SPDX-License-Identifier: Apache-2.0 */
#include "spool_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/options/paths.h"

enum { FILE_MODE = 0600, LOCK_TRIES = 8 };

void spool_lock_name(uint32_t owner, char name[SPOOL_LOCK_NAME_BYTES])
{
    snprintf(name, SPOOL_LOCK_NAME_BYTES, "lock-%08x", owner);
}

void spool_entry_name(const struct spool *spool, const struct spool_entry *entry,
                      char text[REQUEST_NAME_BYTES])
{
    struct request_name name = {.time_ns = entry->time_ns,
                                .series = entry->series,
                                .unique = entry->unique,
                                .size = entry->size,
                                .destination = spool->settings.destination,
                                .owner = spool->owner};

    snprintf(name.kind, sizeof(name.kind), "%s", spool->settings.kind);
    request_name_write(&name, text);
}

/* A reader that does not know of drafts does not see them. */
static void draft_name(const struct spool *spool, const struct spool_entry *entry,
                       char text[REQUEST_NAME_BYTES + 1])
{
    *text = '.';
    spool_entry_name(spool, entry, text + 1);
}

/* ---- The directory and its owner ---- */
/* What is made is nobody else's to read, parents included. */
static int open_directory(const char *path)
{
    int fd = path_open_directory(path, false);
    mode_t mask;

    if (fd != -ENOENT)
        return fd;
    mask = umask(077);
    fd = path_open_directory(path, true);
    umask(mask);
    return fd;
}

static bool has_name(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && st.st_nlink;
}

/* Another uploader may look at the lock, and take it for a dead one's, before it is held. It removes no lock that it
   does not hold. So a lock that is held and still has its name is ours for good. */
static int take_number(struct spool *spool)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
    char name[SPOOL_LOCK_NAME_BYTES];
    int error = -EEXIST;

    for (unsigned i = 0; i < LOCK_TRIES; i++) {
        if (getrandom(&spool->owner, sizeof(spool->owner), GRND_NONBLOCK) != sizeof(spool->owner))
            spool->owner = (uint32_t)monotonic_ns() ^ (uint32_t)getpid() << 16;
        spool_lock_name(spool->owner, name);
        spool->lock = openat(spool->directory, name, flags, FILE_MODE);
        if (spool->lock < 0 && errno == EEXIST)
            continue;
        if (spool->lock < 0)
            return -errno;
        error = flock(spool->lock, LOCK_EX | LOCK_NB) ? -errno : 0;
        if (!error && has_name(spool->lock))
            return 0;
        close(spool->lock);
        spool->lock = -1;
        if (error && error != -EWOULDBLOCK)
            return error;
    }
    return error ? error : -EEXIST;
}

/* Somebody removed the directory, or emptied it. */
void spool_renew(struct spool *spool)
{
    if (!has_name(spool->directory)) {
        int fd = open_directory(spool->path);
        if (fd < 0)
            return;
        close(spool->directory);
        spool->directory = fd;
    }
    if (spool->lock >= 0 && has_name(spool->lock))
        return;
    if (spool->lock >= 0)
        close(spool->lock);
    take_number(spool);
}

struct spool *spool_open(const struct spool_settings *settings)
{
    struct spool *spool = calloc(1, sizeof(*spool));
    int error = spool && (spool->path = strdup(settings->path)) ? 0 : -ENOMEM;

    if (!error) {
        spool->settings = *settings;
        spool->settings.path = spool->path;
        spool->directory = spool->lock = -1;
        error = spool->directory = open_directory(settings->path);
    }
    if (error >= 0)
        error = take_number(spool);
    if (!error)
        return spool;
    log_failure("CPROF_SPOOL: %s: %s; what cannot be sent waits in memory only", settings->path,
                path_error(-error));
    if (spool)
        spool_close(spool);
    return NULL;
}

void spool_close(struct spool *spool)
{
    char name[SPOOL_LOCK_NAME_BYTES];

    spool_lock_name(spool->owner, name);
    if (spool->lock >= 0) {
        unlinkat(spool->directory, name, 0);
        close(spool->lock);
    }
    if (spool->path && spool->directory >= 0)
        close(spool->directory);
    free(spool->path);
    free(spool);
}

const char *spool_path(const struct spool *spool)
{
    return spool->path;
}

/* ---- One request ---- */
static int write_all(int fd, struct iovec *part, int count)
{
    while (count) {
        ssize_t done = writev(fd, part, count);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        for (; count && (size_t)done >= part->iov_len; part++, count--)
            done -= (ssize_t)part->iov_len;
        if (count) {
            part->iov_base = (char *)part->iov_base + done;
            part->iov_len -= (size_t)done;
        }
    }
    return 0;
}

int spool_write(struct spool *spool, struct spool_entry *entry, const char *label, const uint8_t *body)
{
    struct request_file file = {entry->time_ns, label, (uint32_t)strnlen(label, REQUEST_LABEL_MOST), body,
                                entry->size};
    uint8_t header[REQUEST_HEADER_BYTES];
    struct iovec part[] = {
        {header, sizeof(header)}, {(char *)label, file.label_size}, {(uint8_t *)body, file.size}};
    char name[REQUEST_NAME_BYTES + 1];
    int fd, error;

    if (entry->size > REQUEST_BODY_MOST)
        return -EFBIG;
    entry->unique = spool->next_unique++;
    request_file_header(&file, header);
    draft_name(spool, entry, name);
    fd = openat(spool->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return -errno;
    error = write_all(fd, part, sizeof(part) / sizeof(*part));
    if (close(fd) && !error)
        error = -errno;
    if (error)
        unlinkat(spool->directory, name, 0);
    return error;
}

int spool_settle(struct spool *spool, const struct spool_entry *entry)
{
    char draft[REQUEST_NAME_BYTES + 1];

    draft_name(spool, entry, draft);
    return renameat(spool->directory, draft, spool->directory, draft + 1) ? -errno : 0;
}

void spool_remove_draft(struct spool *spool, const struct spool_entry *entry)
{
    char name[REQUEST_NAME_BYTES + 1];

    draft_name(spool, entry, name);
    unlinkat(spool->directory, name, 0);
}

void spool_remove(struct spool *spool, const struct spool_entry *entry)
{
    char name[REQUEST_NAME_BYTES];

    spool_entry_name(spool, entry, name);
    unlinkat(spool->directory, name, 0);
}

static int open_entry(const struct spool *spool, const struct spool_entry *entry)
{
    char name[REQUEST_NAME_BYTES];
    int fd;

    spool_entry_name(spool, entry, name);
    fd = openat(spool->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

/* Reads it whole. The size is the one that the name promises. */
static int read_whole(int fd, uint8_t *data, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, data + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? -errno : -EBADMSG;
        used += (size_t)got;
    }
    return 0;
}

static int parse(const struct spool_entry *entry, const uint8_t *data, size_t size, uint8_t **body,
                 char **label)
{
    struct request_file file;
    int error = request_file_read(&file, data, size);

    if (!error && (file.size != entry->size || file.time_ns != entry->time_ns))
        error = -EBADMSG;
    if (error)
        return error;
    *label = strndup(file.label, file.label_size);
    *body = malloc(file.size + 1);
    if (!*label || !*body) {
        free(*label);
        free(*body);
        return -ENOMEM;
    }
    memcpy(*body, file.body, file.size);
    return 0;
}

static int read_entry(int fd, const struct spool_entry *entry, uint8_t **body, char **label)
{
    struct stat st;
    uint8_t *data;
    int error;

    if (fstat(fd, &st))
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
        st.st_size < (off_t)entry->size + REQUEST_HEADER_BYTES ||
        st.st_size > (off_t)entry->size + REQUEST_HEADER_BYTES + REQUEST_LABEL_MOST)
        return -EBADMSG;
    data = malloc((size_t)st.st_size);
    if (!data)
        return -ENOMEM;
    error = read_whole(fd, data, (size_t)st.st_size);
    if (!error)
        error = parse(entry, data, (size_t)st.st_size, body, label);
    free(data);
    return error;
}

int spool_read(struct spool *spool, const struct spool_entry *entry, uint8_t **body, char **label)
{
    char name[REQUEST_NAME_BYTES];
    int fd = open_entry(spool, entry), error = fd;

    if (fd >= 0) {
        error = read_entry(fd, entry, body, label);
        close(fd);
    }
    if (error != -EBADMSG && error != -ELOOP)
        return error;
    spool_entry_name(spool, entry, name);
    log_warn("%s/%s is damaged and not sent", spool->path, name);
    return -EBADMSG;
}

void spool_sync(struct spool *spool, const struct spool_entry *entry)
{
    int fd = open_entry(spool, entry);

    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

void spool_sync_directory(struct spool *spool)
{
    fsync(spool->directory);
}
