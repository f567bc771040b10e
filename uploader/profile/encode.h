/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof encoding in pieces, for receivers that bound the size of a profile. profile_encode() of profile.h is
 * the same without bounds. Pure, one thread.
 *
 * A piece is a whole profile of its own. The samples of a profile are spread over its pieces, none twice, so
 * that the receiver, which adds up what it is sent of a series, has the whole.
 */
#ifndef CPROF_UPLOADER_ENCODE_H
#define CPROF_UPLOADER_ENCODE_H

#include "profile.h"

struct encode_limits {
    size_t samples;  /* of one piece */
    size_t frames;   /* of one sample; the outermost ones beyond are left out */
    size_t bytes;    /* uncompressed, of one piece; may be passed by one sample and what that one needs */
    int64_t step_ns; /* the time of each piece is that much later than the last one's */
};

/* Takes ownership of data (malloc'ed). A negative errno ends the encoding. */
typedef int encode_piece(void *context, uint8_t *data, size_t size);

/* Calls piece() at least once. 0, or the first negative errno. */
int profile_encode_pieces(const struct profile *profile, const struct profile_meta *meta,
                          const struct encode_limits *limits, encode_piece *piece, void *context);

#endif
