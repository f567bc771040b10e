/* SPDX-License-Identifier: Apache-2.0 */
/* A request that a server found too large, as smaller ones. Pure, one thread. */
#ifndef CPROF_UPLOADER_SPLIT_OTLP_H
#define CPROF_UPLOADER_SPLIT_OTLP_H

#include "encode_otlp.h"

/* Makes two requests of half the samples each, with as much of the dictionary as these need. 0 or negative errno; -E2BIG: it has
   one sample; -EINVAL: it is no request, or an index leads nowhere. */
int otlp_split(const uint8_t *data, size_t size, otlp_piece *piece, void *context);

#endif
