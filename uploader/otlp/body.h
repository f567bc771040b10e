/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests, compressed with gzip or as they are. Pure, one thread. */
#ifndef CPROF_UPLOADER_BODY_H
#define CPROF_UPLOADER_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_MOST = 64 << 20 /* of what is unpacked */ };

/* *packed is malloc'ed. 0 or -ENOMEM. */
int body_pack(const uint8_t *data, size_t size, uint8_t **packed, size_t *packed_size);

bool body_is_packed(const uint8_t *body, size_t size);

/* 0; -EINVAL: it is not gzip, or ends early; -E2BIG; -ENOMEM. */
int body_unpack(const uint8_t *body, size_t size, uint8_t **data, size_t *data_size);

#endif
