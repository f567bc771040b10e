/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed bytes from outside, unpacked up to a ceiling. Pure, any thread. */
#ifndef CPROF_UPLOADER_GUNZIP_H
#define CPROF_UPLOADER_GUNZIP_H

#include <stddef.h>
#include <stdint.h>

/* *to is malloc'ed, and the caller's in any case. 0; -EINVAL: it is not gzip, ends early, or has more than about most
   bytes; -ENOMEM. */
int gunzip_all(const uint8_t *data, size_t size, size_t most, uint8_t **to, size_t *used);

#endif
