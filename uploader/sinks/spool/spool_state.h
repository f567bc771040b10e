/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the spool share. Nobody else includes this. */
#ifndef CPROF_UPLOADER_SPOOL_STATE_H
#define CPROF_UPLOADER_SPOOL_STATE_H

#include "spool.h"

enum { SPOOL_LOCK_NAME_BYTES = 24 };

struct spool {
    struct spool_settings settings;
    char *path;
    int directory, lock;
    uint32_t owner, next_unique;
};

void spool_lock_name(uint32_t owner, char name[SPOOL_LOCK_NAME_BYTES]);
void spool_entry_name(const struct spool *spool, const struct spool_entry *entry,
                      char text[REQUEST_NAME_BYTES]);

/* Called now and then: somebody may have removed the directory, or emptied it. */
void spool_renew(struct spool *spool);

#endif
