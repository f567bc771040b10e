/* SPDX-License-Identifier: Apache-2.0 */
/* gzip. Any thread. */
#ifndef CPROF_ANALYSIS_PACK_H
#define CPROF_ANALYSIS_PACK_H

#include <stdbool.h>
#include <stddef.h>

bool pack_is_gzip(const void *data, size_t size);

/* The same bytes compressed, malloc'ed, the same ones each time. NULL: no memory. */
void *pack_gzip(const void *data, size_t size, size_t *packed_size);

#endif
