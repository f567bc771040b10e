/* SPDX-License-Identifier: Apache-2.0 */
/* A profile in one piece, however large that is. */
#include "encode.h"

struct one_piece {
    uint8_t **data;
    size_t *size;
};

static int keep_piece(void *context, uint8_t *data, size_t size)
{
    const struct one_piece *one = context;

    *one->data = data;
    *one->size = size;
    return 0;
}

int profile_encode(const struct profile *profile, const struct profile_meta *meta, uint8_t **data,
                   size_t *size)
{
    const struct encode_limits limits = {SIZE_MAX, SIZE_MAX, SIZE_MAX, 0};
    struct one_piece one = {data, size};

    return profile_encode_pieces(profile, meta, &limits, keep_piece, &one);
}
