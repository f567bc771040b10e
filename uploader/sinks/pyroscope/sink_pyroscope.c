/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes profiles as requests of Pyroscope's push API, which the outbox sends. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pyroscope_server.h"
#include "series.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/pprof/encode.h"
#include "uploader/sinks/outbox/outbox.h"
#include "uploader/upload/sink.h"

/* The server's limits. Of the bytes, 2 MB, some room is left for the last sample. */
enum { PIECE_SAMPLES = 16000, PIECE_FRAMES = 1000, PIECE_BYTES = 1400 * 1000, SAMPLE_BYTES = 400 * 1000 };
#define STAMP_NS MS_NS
#define AHEAD_NS                                                                                             \
    (10 * SECOND_NS) /* that the last stamp may be ahead: programs of milliseconds, many in a row */

struct sink_pyroscope {
    struct sink sink;
    const struct options *options;
    struct outbox *outbox;
    int64_t stamp_ns; /* CLOCK_REALTIME: the last one given to a profile */
    bool as_given;    /* names of labels are sent as they are */
    char *checked;    /* labels whose faults were told */
};

static uint32_t random_number(void)
{
    uint32_t random;

    return getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0 ? (uint32_t)monotonic_ns() : random;
}

static void make_series(struct sink_pyroscope *sink, const struct upload *upload,
                        const struct profile_kind *profile, const struct facts *facts, struct series *series)
{
    bool quiet = sink->checked && !strcmp(sink->checked, upload->labels);

    series->kind = profile;
    series->as_given = sink->as_given;
    series_label(series, upload, sink->options->settings.value[SETTING_RESOURCE].text, facts, quiet);
    if (!quiet) {
        free(sink->checked);
        sink->checked = strdup(upload->labels);
    }
}

/* The pieces of one profile on their way into the queue. */
struct pushing {
    struct sink_pyroscope *sink;
    const struct upload *upload;
    const struct profile_kind *kind;
    struct series series;
    char label[128]; /* for messages */
    char name[256];  /* of the series */
};

static int queue_piece(void *context, uint8_t *data, size_t size)
{
    struct pushing *pushing = context;
    struct outbox_request request = {
        .time_ns = pushing->sink->stamp_ns, .series = pushing->name, .label = pushing->label};

    request.body = series_push_request(&pushing->series, data, size, &request.size);
    free(data);
    pushing->sink->stamp_ns += STAMP_NS;
    return request.body ? outbox_add(pushing->sink->outbox, &request) : -ENOMEM;
}

/*
 * Of the profiles of one series that begin in the same millisecond the server shows one (seen on 2.2.1: it
 * takes them for replicas). So no two of ours do, not even of two programs with one service name; and those
 * of other hosts are kept apart by chance, anew for each interval. A profile keeps its time when it is sent
 * again: where only the first answer was lost, the same rule makes one of the two.
 */
static int64_t next_stamp(const struct sink_pyroscope *sink, const struct upload *upload)
{
    int64_t half_ms = (upload->end_ns - upload->start_ns) / MS_NS / 2;
    int64_t stamp_ns = upload->start_ns;

    if (half_ms > 0)
        stamp_ns += random_number() % half_ms * MS_NS;
    /* Where the clock was set back, the last stamps are of a time that is still to come. */
    if (sink->stamp_ns > upload->end_ns + AHEAD_NS)
        return stamp_ns;
    return stamp_ns > sink->stamp_ns ? stamp_ns : sink->stamp_ns;
}

static int push_kind(struct sink_pyroscope *sink, const struct upload *upload, unsigned id,
                     const struct fact_group *group)
{
    static const struct encode_limits limits = {PIECE_SAMPLES, PIECE_FRAMES, PIECE_BYTES, STAMP_NS,
                                                SAMPLE_BYTES};
    struct pushing pushing = {sink, upload, &profile_kinds[id], .series = {.labels = 0}};
    const struct profile_meta meta = {
        .time_ns = sink->stamp_ns,
        .duration_ns = upload->end_ns - upload->start_ns,
        .period = upload->period[id],
        .takes = group->groups->count > 1 ? fact_group_takes : NULL,
        .takes_context = group,
        .program = upload->program,
        .no_addresses = true,
        .root_spans = true,
        .plain_names = !sink->as_given,
        .unnamed = sink->options->settings.value[SETTING_NAME_LATER].number ? PROFILE_UNNAMED_LEFT_BY_ID
                                                                            : PROFILE_UNNAMED_SHOWN,
    };
    int error;

    make_series(sink, upload, pushing.kind, &group->facts, &pushing.series);
    snprintf(pushing.label, sizeof(pushing.label), "%s profile of %s", pushing.kind->name,
             series_get(&pushing.series, "service_name"));
    snprintf(pushing.name, sizeof(pushing.name), "%s %u %" PRIx64, pushing.kind->name, upload->number,
             group->hash);
    error = profile_encode_pieces(upload->interval[id], &meta, &limits, queue_piece, &pushing);
    series_free(&pushing.series);
    return error;
}

static int pyroscope_take(struct sink *base, const struct upload *upload)
{
    struct sink_pyroscope *sink = (struct sink_pyroscope *)base;
    struct fact_groups groups;
    int error = 0;

    sink->stamp_ns = next_stamp(sink, upload);
    fact_groups_make(&groups, upload->facts, FACTS_OF_SERVICE);
    for (unsigned g = 0; g < groups.count; g++)
        for (unsigned i = 0; i < KIND_IDS && !error; i++)
            if (upload->interval[i] && profile_count(upload->interval[i]))
                error = push_kind(sink, upload, i, &groups.group[g]);
    if (error)
        log_warn("a profile of %s could not be queued: %s", upload->program, strerror(-error));
    return error;
}

static unsigned pyroscope_work(struct sink *base, unsigned wait_ms)
{
    return outbox_work(((struct sink_pyroscope *)base)->outbox, wait_ms);
}

static void pyroscope_figures(const struct sink *base, struct sink_figures *figures)
{
    outbox_get_figures(((const struct sink_pyroscope *)base)->outbox, figures);
}

static void pyroscope_settle(struct sink *base)
{
    outbox_settle(((struct sink_pyroscope *)base)->outbox);
}

static int64_t pyroscope_next(const struct sink *base)
{
    return outbox_next_ns(((const struct sink_pyroscope *)base)->outbox);
}

static void pyroscope_free(struct sink *base)
{
    struct sink_pyroscope *sink = (struct sink_pyroscope *)base;

    outbox_free(sink->outbox);
    free(sink->checked);
    free(sink);
}

static const struct sink_ops pyroscope_ops = {"pyroscope",    pyroscope_take,    pyroscope_work,
                                              pyroscope_free, pyroscope_figures, pyroscope_settle,
                                              pyroscope_next};

struct sink *sink_pyroscope_new(const struct options *options)
{
    const struct setting_value *value = options->settings.value;
    struct http_settings settings;
    const char *names = value[SETTING_LABEL_NAMES].text;
    struct sink_pyroscope *sink;

    if (!pyroscope_server_read(&settings, options))
        return NULL;
    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return NULL;
    sink->sink.ops = &pyroscope_ops;
    sink->options = options;
    sink->as_given = !strcmp(names, "utf8");
    if (*names && !sink->as_given && strcmp(names, "plain") != 0)
        log_failure("CPROF_LABEL_NAMES=%s is neither plain nor utf8; plain is used", names);
    series_check(value[SETTING_LABELS].text);
    sink->outbox = outbox_new(options, &pyroscope_server_kind, &settings);
    if (sink->outbox)
        return &sink->sink;
    free(sink);
    return NULL;
}
