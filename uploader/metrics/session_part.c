/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "parts.h"
#include "uploader/options/options.h"
#include "uploader/upload/comments.h"
#include "uploader/upload/sink.h"

static void write_one(struct metric_text *text, enum metric metric, uint64_t value)
{
    metric_begin(text, metric);
    metric_count(text, NULL, value);
}

/* --- ceilings --- */

static void write_ceilings(struct metric_text *text, const struct programs *programs)
{
    const struct {
        const char *what;
        uint64_t n;
    } ceilings[] = {
        {"programs", programs->other ? programs->other->processes : 0},
        {"processes", programs->processes_beyond},
        {"thread_names", programs->threads_beyond},
        {"addresses", symbols_beyond(programs->symbols)},
    };

    metric_begin(text, METRIC_BEYOND);
    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++)
        metric_count(text, &ceilings[i].what, ceilings[i].n);
}

static void write_symbols(struct metric_text *text, const struct symbols *symbols)
{
    static const char *const names = "names", *const files = "files";
    struct symbols_figures figures;

    symbols_get_figures(symbols, &figures);
    metric_begin(text, METRIC_SYMBOLS_BYTES);
    metric_count(text, &names, figures.name_bytes);
    metric_count(text, &files, figures.file_bytes);
    write_one(text, METRIC_SYMBOLS_LOCATIONS, figures.locations);
    write_one(text, METRIC_SYMBOLS_MODULES, figures.modules);
}

static void write_web(struct metric_text *text, const struct web_counts *web)
{
    const struct {
        const char *reason;
        uint64_t n;
    } refused[] = {{"address", web->refused}, {"token", web->unauthorized}, {"rate", web->limited}};

    write_one(text, METRIC_HTTP_REQUESTS, web->requests);
    metric_begin(text, METRIC_HTTP_REFUSED);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        metric_count(text, &refused[i].reason, refused[i].n);
    write_one(text, METRIC_HTTP_CUT, web->cut);
    write_one(text, METRIC_HTTP_CONNECTIONS, web->connections);
}

/* --- sinks --- */

struct pusher {
    const char *name;
    struct sink_figures figures;
};
struct pushers {
    struct pusher pusher[PROGRAMS_SINKS];
    size_t count;
};

static void find_pushers(const struct programs *programs, struct pushers *pushers)
{
    pushers->count = 0;
    for (size_t i = 0; i < programs->sinks; i++) {
        const struct sink *sink = programs->sink[i];
        struct pusher *pusher = &pushers->pusher[pushers->count];

        if (!sink->ops->get_figures)
            continue;
        *pusher = (struct pusher){.name = sink->ops->name};
        sink->ops->get_figures(sink, &pusher->figures);
        pushers->count++;
    }
}

static void write_outcomes(struct metric_text *text, const struct pushers *pushers)
{
#define X(id, name, text) name,
    static const char *const outcomes[] = {SINK_OUTCOMES(X)}, *const drops[] = {SINK_DROPS(X)};
#undef X

    metric_begin(text, METRIC_PUSH_REQUESTS);
    for (size_t i = 0; i < pushers->count; i++)
        for (int o = 0; o < SINK_OUTCOME_COUNT; o++) {
            const char *const label[] = {pushers->pusher[i].name, outcomes[o]};
            metric_count(text, label, pushers->pusher[i].figures.requests[o]);
        }
    metric_begin(text, METRIC_DROPPED);
    for (size_t i = 0; i < pushers->count; i++)
        for (int d = 0; d < SINK_DROP_COUNT; d++) {
            const char *const label[] = {pushers->pusher[i].name, drops[d]};
            metric_count(text, label, pushers->pusher[i].figures.dropped[d]);
        }
}

static void write_spool(struct metric_text *text, const struct pushers *pushers)
{
    static const struct {
        enum metric metric;
        size_t offset;
        bool is_of_spool; /* left out if there is none */
    } counts[] = {
        {METRIC_PUSH_BYTES, offsetof(struct sink_figures, bytes), false},
        {METRIC_PUSH_PARTLY, offsetof(struct sink_figures, partly), false},
        {METRIC_QUEUE_PROFILES, offsetof(struct sink_figures, queue_profiles), false},
        {METRIC_QUEUE_BYTES, offsetof(struct sink_figures, queue_bytes), false},
        {METRIC_SPOOL_FILES, offsetof(struct sink_figures, spool_files), true},
        {METRIC_SPOOL_BYTES, offsetof(struct sink_figures, spool_bytes), true},
        {METRIC_SPOOL_LIMIT, offsetof(struct sink_figures, spool_limit), true},
        {METRIC_SPOOL_ERRORS, offsetof(struct sink_figures, spool_errors), true},
    };

    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        metric_begin(text, counts[c].metric);
        for (size_t i = 0; i < pushers->count; i++) {
            const struct sink_figures *figures = &pushers->pusher[i].figures;
            if (!counts[c].is_of_spool || figures->spool_limit)
                metric_count(text, &pushers->pusher[i].name,
                             *(const uint64_t *)((const char *)figures + counts[c].offset));
        }
    }
}

static void write_sinks(struct metric_text *text, const struct programs *programs)
{
    struct pushers pushers;

    find_pushers(programs, &pushers);
    write_outcomes(text, &pushers);
    metric_begin(text, METRIC_PUSH_DURATION);
    for (size_t i = 0; i < pushers.count; i++)
        metric_durations(text, &pushers.pusher[i].name, &pushers.pusher[i].figures.duration);
    write_spool(text, &pushers);
    metric_begin(text, METRIC_UNSENT_AGE);
    for (size_t i = 0; i < pushers.count; i++) {
        int64_t age_ns = pushers.pusher[i].figures.oldest_ns;
        metric_seconds(text, &pushers.pusher[i].name, age_ns > 0 ? (uint64_t)age_ns : 0);
    }
}

void metrics_write_session(struct metric_text *text, const struct metrics *metrics,
                           const struct metrics_session *session)
{
    static const char *const version = CPROF_VERSION;
    const struct programs *programs = metrics->programs;

    metric_begin(text, METRIC_BUILD);
    metric_count(text, &version, 1);
    write_one(text, METRIC_PROGRAMS, programs->count);
    write_one(text, METRIC_PROCESSES, session->processes);
    write_one(text, METRIC_JOINED, session->joined);
    write_one(text, METRIC_ENDED, session->joined - session->processes);
    write_one(text, METRIC_REFUSED, session->refused);
    write_ceilings(text, programs);
    write_one(text, METRIC_WALL_SAMPLES, session->wall_samples);
    metric_begin(text, METRIC_ROUND_DURATION);
    metric_durations(text, NULL, session->round);
    metric_begin(text, METRIC_UPLOAD_DURATION);
    metric_durations(text, NULL, &programs->upload);
    write_symbols(text, programs->symbols);
    write_sinks(text, programs);
    write_web(text, session->web);
}
