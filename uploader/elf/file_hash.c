/* SPDX-License-Identifier: Apache-2.0 */
#include "file_hash.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lzma.h>

enum { PART = 4096, INPUT = 2 * PART + 8, OUTPUT = INPUT + 1024 };

/* liblzma, which is here for .xz data, computes SHA-256 as the check of a block. The block itself is of no use. */
static int sha256(const uint8_t *data, size_t size, uint8_t hash[32])
{
    static uint8_t output[OUTPUT];
    lzma_options_lzma none;
    lzma_filter filter[] = {{.id = LZMA_FILTER_LZMA2, .options = &none}, {.id = LZMA_VLI_UNKNOWN}};
    lzma_block block = {.check = LZMA_CHECK_SHA256, .filters = filter};
    size_t used = 0;

    if (lzma_lzma_preset(&none, 0) ||
        lzma_block_uncomp_encode(&block, data, size, output, &used, sizeof output) != LZMA_OK)
        return -EIO;
    memcpy(hash, block.raw_check, 32);
    return 0;
}

static int read_all(int fd, uint8_t *to, size_t size, off_t at)
{
    for (ssize_t got; size; to += got, at += got, size -= (size_t)got) {
        got = pread(fd, to, size, at);
        if (got <= 0)
            return got ? -errno : -EIO;
    }
    return 0;
}

int file_hash(int fd, uint8_t hash[16])
{
    uint8_t input[INPUT], whole[32];
    struct stat st;
    size_t part;
    int rc;

    if (fstat(fd, &st))
        return -errno;
    part = st.st_size < PART ? (size_t)st.st_size : PART;
    rc = read_all(fd, input, part, 0);
    if (!rc)
        rc = read_all(fd, input + part, part, st.st_size - (off_t)part);
    for (int i = 0; i < 8; i++)
        input[2 * part + (size_t)i] = (uint8_t)((uint64_t)st.st_size >> (56 - 8 * i));
    if (!rc)
        rc = sha256(input, 2 * part + 8, whole);
    if (!rc)
        memcpy(hash, whole, 16);
    return rc;
}
