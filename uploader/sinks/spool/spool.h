/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests on disk: one directory, one file a request (request_file.h). The order of names is that of sending. One
 * thread only; what is written survives this process at once, and the machine once spool_sync() was called.
 *
 * Several uploaders may share the directory. Each has a random number, its owner's number, in the names of its files,
 * and holds a lock on the file lock-NUMBER while it lives. Files whose owner is dead are taken over by renaming them,
 * which only one process can do. An uploader takes over what is for its own destination: the same protocol, URL,
 * tenant and user. Everything in the directory may be another one's work: files that are not regular, not ours by
 * user, or damaged are not sent.
 */
#ifndef CPROF_UPLOADER_SPOOL_H
#define CPROF_UPLOADER_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "request_file.h"

enum { SPOOL_BLOCK = 4096 }; /* files are counted in whole blocks, as disks do */

struct spool_settings {
    const char *path;     /* of the directory; made with mode 0700 if it is missing */
    const char *kind;     /* of the requests */
    uint32_t destination; /* theirs: a checksum */
    uint64_t most_bytes;  /* of all files in the directory */
    int64_t most_ns;      /* age; 0: no limit */
};

struct spool;
struct spool_entry {
    int64_t time_ns; /* CLOCK_REALTIME */
    uint32_t series, unique;
    uint32_t size; /* of the body */
};

/* What a request takes of most_bytes. */
static inline uint64_t spool_weight(uint32_t size)
{
    return ((uint64_t)size + REQUEST_HEADER_BYTES + REQUEST_LABEL_MOST + SPOOL_BLOCK - 1) / SPOOL_BLOCK *
           SPOOL_BLOCK;
}

/* NULL after it logged why there is none. */
struct spool *spool_open(const struct spool_settings *settings);
void spool_close(struct spool *spool);
const char *spool_path(const struct spool *spool);

/* Writes a request as a draft, which is of no use to a successor, and numbers it (unique). 0 or negative errno. */
int spool_write(struct spool *spool, struct spool_entry *entry, const char *label, const uint8_t *body);

/* Makes the draft a file of the spool. 0 or negative errno. */
int spool_settle(struct spool *spool, const struct spool_entry *entry);
void spool_remove_draft(struct spool *spool, const struct spool_entry *entry);

/* Reads it back; both are malloc'ed. -EBADMSG: it is damaged. -ENOENT: it is gone. Other negative errno. */
int spool_read(struct spool *spool, const struct spool_entry *entry, uint8_t **body, char **label);
void spool_remove(struct spool *spool, const struct spool_entry *entry);

/* Has the disk write it, which may take long. */
void spool_sync(struct spool *spool, const struct spool_entry *entry);
void spool_sync_directory(struct spool *spool);

struct spool_scan {
    uint64_t others_bytes;              /* of files that stay other uploaders' */
    unsigned dropped_age, dropped_size; /* of dead uploaders with another destination */
    unsigned elsewhere; /* left: for another destination of this protocol, of dead uploaders */
};
typedef void spool_found(void *context, const struct spool_entry *entry);

/* Takes over what dead uploaders left, and calls found() for each. own_bytes: what this uploader has there. Drops what
   is too old or too much of dead uploaders with another destination. */
void spool_take_over(struct spool *spool, uint64_t own_bytes, struct spool_scan *scan, spool_found *found,
                     void *context);

#endif
