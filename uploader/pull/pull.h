/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/, as Go's net/http/pprof serves it: paths, parameters, headers and errors are Go's (src/net/http/pprof/pprof.go,
 * src/runtime/pprof/pprof.go), so that `go tool pprof URL` and the scrapers of Alloy and Parca work unchanged. What differs:
 * more kinds of profiles; `seconds` that is no number is refused for /profile, too; any number of profiles at once; symbol
 * answers to POST; ?pid= and ?program= choose of several, without them all are added up; ?labels=1 tells processes and
 * threads apart. One thread only.
 */
#ifndef CPROF_UPLOADER_PULL_H
#define CPROF_UPLOADER_PULL_H

#include "selection.h"
#include "uploader/programs/programs.h"
#include "uploader/web/web.h"

/* What the session tells. */
struct pull_source {
    struct programs *programs;
    void *context;
    /* Adds all that was recorded until now, or until so long ago at most, by the processes that are selected. */
    void (*read)(void *context, const struct selection *selection, int64_t old_ns);
    /* The n-th live process. false: there are no more. */
    bool (*process)(void *context, size_t n, struct pull_process *process);
    /* The code at an address of this process. NULL: none. */
    const struct symbol_location *(*locate)(void *context, uint32_t pid, uint64_t address);
};

struct pull;

/* Adds its pages. NULL: web is NULL, or there is no memory. */
struct pull *pull_new(struct web *web, const struct pull_source *source);

/* Called when web has ended. */
void pull_free(struct pull *pull);

#endif
