/* SPDX-License-Identifier: Apache-2.0 */
/* Push requests that a server found too large, as smaller ones: profile_split() with a request around each profile. */
#ifndef CPROF_UPLOADER_SPLIT_PUSH_H
#define CPROF_UPLOADER_SPLIT_PUSH_H

#include "uploader/sinks/outbox/outbox.h"

/* As outbox_kind.split says. */
int push_split(const uint8_t *body, size_t size, outbox_piece *piece, void *context);

/* As outbox_kind.is_too_large says: the server has limits of profiles, and answers with a 400 that names them. */
bool push_is_too_large(int status, const char *text);

#endif
