/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPROF_UPLOADER_BASE64_H
#define CPROF_UPLOADER_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Bytes as base64, on one line. Errors are those of out. */
void base64_put(FILE *out, const uint8_t *data, size_t size);

#endif
