/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query to a Pyroscope server, written as the URL of its own page:
 *     http://HOST:4040/?query=process_cpu:cpu:nanoseconds:cpu:nanoseconds{service_name="x"}&from=now-1h&until=now
 * The login is that of the settings for the server (CPROF_TOKEN and so on), if the host is the setting's.
 */
#ifndef CPROF_ANALYSIS_QUERY_H
#define CPROF_ANALYSIS_QUERY_H

#include "analysis/tables/reading.h"

bool is_query(const char *argument);

/* Asks, and adds the answer's profile. *data is the caller's to free, in any case: the profile's bytes. 0 or negative errno
   with the reason in reading->error. */
int query_add(struct reading *reading, const char *url, uint8_t **data, size_t *size);

#endif
