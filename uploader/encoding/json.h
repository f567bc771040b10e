/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPROF_UPLOADER_JSON_H
#define CPROF_UPLOADER_JSON_H

#include <stdio.h>

/* A JSON string, which may also stand in a script element of a page. Bytes that are no UTF-8 are replaced. */
void json_put_text(FILE *out, const char *text);

#endif
