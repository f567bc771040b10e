/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. Included by them alone. */
#ifndef CPROF_UPLOADER_WEB_STATE_H
#define CPROF_UPLOADER_WEB_STATE_H

#include <microhttpd.h>

#include "access.h"
#include "address.h"
#include "rate.h"
#include "uploader/base/clock.h"
#include "web.h"

enum {
    WEB_CONNECTIONS = 128,
    WEB_ROOM = 16, /* connections that are kept free: one that has asked nothing yet is ended for a new one */
    WEB_WAITS = 32,               /* requests that are answered later */
    WEB_HEADER_BYTES = 32 * 1024, /* of a connection: its headers, with some room */
    WEB_URI_BYTES = 8 * 1024,
    WEB_BODY_BYTES = 64 * 1024,
    WEB_ANSWER_BYTES = 32 << 20, /* of all answers that are being sent */
};
#define WEB_ASK_NS    (10 * SECOND_NS) /* until a connection's request is complete */
#define WEB_IDLE_NS   (60 * SECOND_NS) /* between two requests */
#define WEB_ANSWER_NS (60 * SECOND_NS) /* until an answer has been taken */

enum connection_state {
    CONNECTION_ASKING,
    CONNECTION_IDLE,
    CONNECTION_SERVED,
    CONNECTION_WAITING,
    CONNECTION_CUT
};

struct connection {
    struct connection *next, **link;
    int fd;
    struct address peer;
    enum connection_state state;
    int64_t since_ns; /* in this state */
    struct rate_credit credit;
};

struct web {
    const struct options *options;
    struct MHD_Daemon *daemon;
    int listen_fd;
    bool is_unix;
    char unix_path[108];
    struct access access;
    struct rate rate, wrong; /* of requests; of wrong tokens */
    struct web_page page[WEB_PAGES];
    unsigned pages;
    struct connection *connections; /* the newest first */
    struct web_request *waits;
    struct web_counts counts;
    int64_t next_sweep_ns;
    bool is_ending, is_resumed;
};

#endif
