/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof encoding, compressed with gzip; whole, or in pieces for receivers that bound the size of a profile. Pure, one
 * thread.
 *
 * A piece is a whole profile of its own. The samples of a profile are spread over its pieces, none twice, so
 * that the receiver, which adds up what it is sent of a series, has the whole.
 */
#ifndef CPROF_UPLOADER_ENCODE_H
#define CPROF_UPLOADER_ENCODE_H

#include "uploader/profile/profile.h"

/* The whole. *data is malloc'ed and the caller's. 0 or negative errno. */
int profile_encode(const struct profile *profile, const struct profile_meta *meta, uint8_t **data,
                   size_t *size);

struct encode_limits {
    size_t samples;  /* of one piece */
    size_t frames;   /* of one sample; the outermost ones beyond are left out */
    size_t bytes;    /* uncompressed, of one piece; may be passed by one sample and what that one needs */
    int64_t step_ns; /* the time of each piece is that much later than the last one's */
    size_t
        sample_bytes; /* uncompressed, of one sample, by about the size of one function's names; the outermost
                            frames beyond are left out. 0: no limit */
};

/* Takes ownership of data (malloc'ed). A negative errno ends the encoding. */
typedef int encode_piece(void *context, uint8_t *data, size_t size);

/* Calls piece() at least once, unless no sample is of the processes that are asked for. 0, or the first negative errno. */
int profile_encode_pieces(const struct profile *profile, const struct profile_meta *meta,
                          const struct encode_limits *limits, encode_piece *piece, void *context);

#endif
