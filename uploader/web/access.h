/* SPDX-License-Identifier: Apache-2.0 */
/* Who may ask: by address, by token, and not by way of somebody's browser. One thread only. */
#ifndef CPROF_UPLOADER_WEB_ACCESS_H
#define CPROF_UPLOADER_WEB_ACCESS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "address.h"
#include "uploader/options/options.h"

struct access {
    const char *token; /* "": none is asked for */
    struct networks allow, proxies;
    bool has_allow;
    bool is_guarded; /* by its place alone: loopback, no token. Browsers of this machine reach it. */
};

/* false: a line was logged. */
bool access_open(struct access *access, const struct options *options);

/* 0, or 403 with the reason. *client: whose request it is, behind the proxies that are trusted. */
unsigned access_check_place(const struct access *access, struct MHD_Connection *connection,
                            const struct address *peer, struct address *client, const char **reason);

/* Looks at X-Pprof-Token, Authorization: Bearer, and the password of basic authentication. */
bool access_has_token(const struct access *access, struct MHD_Connection *connection);

/* Takes as long whatever the two texts have in common. */
bool access_is_same(const char *secret, const char *given);

/* Host: a name of this machine's own, or an address. A page of the web that has its name resolve to 127.0.0.1 is not. */
bool access_is_own_host(const char *host);

#endif
