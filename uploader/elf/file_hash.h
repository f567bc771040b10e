/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash that names a file by its head, tail and length: what OpenTelemetry calls htlhash (specification/profiles/mappings.md).
 * The first 16 bytes of the SHA-256 of its first 4096 bytes, its last 4096 bytes, which may be the same ones, and its length in
 * 8 bytes, big-endian. One thread only.
 */
#ifndef CPROF_UPLOADER_FILE_HASH_H
#define CPROF_UPLOADER_FILE_HASH_H

#include <stdint.h>

/* 0 or negative errno. */
int file_hash(int fd, uint8_t hash[16]);

#endif
