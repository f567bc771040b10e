/* SPDX-License-Identifier: Apache-2.0 */
/* Where profiles are pushed and how, by the CPROF_ settings; and what the server's answers mean. One thread only. */
#ifndef CPROF_UPLOADER_PYROSCOPE_SERVER_H
#define CPROF_UPLOADER_PYROSCOPE_SERVER_H

#include <stdbool.h>

#include "uploader/options/options.h"
#include "uploader/sinks/outbox/outbox.h"

extern const struct outbox_kind pyroscope_server_kind;

/* false: no server is set. Texts are those of the settings. */
bool pyroscope_server_read(struct http_settings *http, const struct options *options);

#endif
