/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles of one program and interval as requests of OTLP (ExportProfilesServiceRequest). Each value of each kind is a
 * Profile of its own, because OTLP has one sample type a Profile, and all share the request's dictionary. Pure, except for
 * the random ids of profiles. One thread only.
 *
 * Types have names that Pyroscope's OTLP endpoint turns into those of a push, as far as it can. It calls a series as
 * the type of the period, except "samples" of a period in "cpu", which it multiplies by the period and calls process_cpu.
 */
#ifndef CPROF_UPLOADER_ENCODE_OTLP_H
#define CPROF_UPLOADER_ENCODE_OTLP_H

#include "resource.h"
#include "uploader/profile/profile.h"
#include "uploader/upload/sink.h"

struct otlp_limits {
    size_t samples;  /* of one request */
    size_t frames;   /* of one sample; the outermost ones beyond are left out */
    size_t bytes;    /* uncompressed, of one request; may be passed by one sample and what that one needs */
    int64_t step_ns; /* the time of each request is that much later than the last one's */
};

/* What is sent, besides the profiles. */
struct otlp_meta {
    int64_t time_ns; /* CLOCK_REALTIME, of the first request */
    enum profile_unnamed unnamed;
    const struct resource *resource;
    const struct fact_group *group; /* whose samples; NULL: all */
};

/* Takes ownership of data (malloc'ed, not compressed). A negative errno ends the encoding. */
typedef int otlp_piece(void *context, uint8_t *data, size_t size);

/* Calls piece() for each request; not at all if there is no sample. 0, or the first negative errno. */
int otlp_encode(const struct upload *upload, const struct otlp_meta *meta, const struct otlp_limits *limits,
                otlp_piece *piece, void *context);

#endif
