/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a query's URL. Pure, but for the clock. */
#ifndef CPROF_ANALYSIS_QUERY_REQUEST_H
#define CPROF_ANALYSIS_QUERY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

enum { QUERY_TEXT = 4096 };

struct query_request {
    char server[QUERY_TEXT];   /* base URL, with user and password if the URL has them */
    char type[QUERY_TEXT];     /* "process_cpu:cpu:nanoseconds:cpu:nanoseconds" */
    char selector[QUERY_TEXT]; /* "{service_name="x"}" */
    char service[QUERY_TEXT];  /* the service_name that it asks for; "" */
    int64_t from_ms, until_ms;
};

/* now_ms: what "now" means. 0, or -EINVAL with a line in why. */
int query_parse(struct query_request *request, const char *url, int64_t now_ms, char why[QUERY_TEXT]);

#endif
