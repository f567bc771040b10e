/* SPDX-License-Identifier: Apache-2.0 */
/* Where OTLP profiles go and how, by the OTEL_EXPORTER_OTLP_* settings; and what the server's answers say. One thread
 * only. */
#ifndef CPROF_UPLOADER_OTLP_SERVER_H
#define CPROF_UPLOADER_OTLP_SERVER_H

#include <stdbool.h>

#include "uploader/options/options.h"
#include "uploader/sinks/outbox/outbox.h"

struct otlp_server {
    struct http_settings http;
    struct outbox_kind kind; /* as the settings are; for the one sink */
    bool is_general;         /* the endpoint is that of all signals, and may take no profiles */
    bool compressed;
};

/* false: no endpoint is set, or a line says why nothing can be sent there. Texts are those of the settings. */
bool otlp_server_read(struct otlp_server *server, const struct options *options);

/* The text of an answer: the message of an error, or what was rejected of what was taken; else "". Public for the tests. */
void otlp_explain(const uint8_t *answer, size_t size, char *text, size_t room);

/* A body that was too large, compressed or not, as smaller ones. Public for the tests. */
int otlp_split_body(const uint8_t *body, size_t size, outbox_piece *piece, void *context);

#endif
