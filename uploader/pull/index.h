/* SPDX-License-Identifier: Apache-2.0 */
/* The page of /debug/pprof/: what there is to ask for, and the report of the session so far. One thread only. */
#ifndef CPROF_UPLOADER_PULL_INDEX_H
#define CPROF_UPLOADER_PULL_INDEX_H

#include "pull_state.h"

void index_serve(struct pull *pull, struct web_request *request, const struct selection *selection);

#endif
