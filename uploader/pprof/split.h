/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finished profile that a server found too large, as smaller ones. The profile may come from a file, and is trusted
 * no more than a segment. Pure, except for random numbers. One thread.
 */
#ifndef CPROF_UPLOADER_PROFILE_SPLIT_H
#define CPROF_UPLOADER_PROFILE_SPLIT_H

#include "encode.h"

/*
 * Makes two profiles (gzipped pprof) with half of the samples each, and with what these need of the tables. The second
 * one begins up to half of the duration later, since a server may take profiles of one millisecond for copies. If there
 * is one sample, it becomes one profile with fewer frames, or with shorter names.
 * 0 or the first negative errno; -E2BIG: it cannot be made smaller; -EINVAL: it is no profile.
 */
int profile_split(const uint8_t *data, size_t size, encode_piece *piece, void *context);

#endif
