/* SPDX-License-Identifier: Apache-2.0 */
/* Encodes profiles as requests of OTLP, which the outbox sends. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "otlp_server.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/otlp/body.h"
#include "uploader/otlp/encode_otlp.h"
#include "uploader/sinks/http/pairs.h"
#include "uploader/sinks/outbox/outbox.h"
#include "uploader/upload/sink.h"

/* What Pyroscope's endpoint takes at once: it counts each Profile with its share of the dictionary, and refuses 2 MB. */
enum { REQUEST_SAMPLES = 16000, REQUEST_FRAMES = 1000, REQUEST_BYTES = 1500 * 1000 };
#define STAMP_NS     MS_NS
#define ASK_AGAIN_NS (600 * SECOND_NS) /* an endpoint that takes no profiles */

struct sink_otlp {
    struct sink sink;
    const struct options *options;
    struct otlp_server server;
    struct outbox *outbox;
    int64_t stamp_ns; /* CLOCK_REALTIME: the last one given to a request */
    int64_t
        ask_again_ns; /* CLOCK_MONOTONIC; the endpoint is without profiles until then; 0: it is not known to be */
};

/* --- the resource --- */

static void add_pair(void *context, const char *name, const char *value)
{
    resource_add(context, name, value);
}

static void find_service(void *context, const char *name, const char *value)
{
    if (!strcmp(name, "service.name"))
        resource_add(context, name, value);
}

/* What all processes of the group have, if there is only one its number, too. */
static void add_process(struct resource *resource, const struct fact_group *group)
{
    if (group->processes == 1)
        resource_add_number(resource, "process.pid", group->facts.pid);
    for (int i = 0; i < FACTS; i++)
        resource_add(resource, fact_keys[i], group->facts.text[i]);
}

/* What was said for cprof comes first, then what was said for OpenTelemetry, then what the program's own SDK says. */
static void describe(const struct sink_otlp *sink, const struct upload *upload,
                     const struct fact_group *group, struct resource *resource)
{
    const char *attributes = sink->options->settings.value[SETTING_RESOURCE].text;
    const bool is_named = strcmp(upload->service, upload->program) != 0;
    char host[HOST_NAME_MAX + 1] = "";

    if (is_named)
        resource_add(resource, "service.name", upload->service);
    else
        pairs_read(attributes, true, find_service, resource);
    if (!is_named)
        resource_add(resource, "service.name", group->facts.text[FACT_SERVICE]);
    resource_add(resource, "service.name", *upload->service ? upload->service : "unknown_service");
    pairs_read(upload->labels, false, add_pair, resource);
    pairs_read(attributes, true, add_pair, resource);
    resource_add(resource, "process.executable.name", upload->program);
    add_process(resource, group);
    if (!gethostname(host, sizeof host - 1))
        resource_add(resource, "host.name", host);
}

/* --- requests --- */

struct sending {
    struct sink_otlp *sink;
    char label[128], series[64];
    int64_t time_ns;
};

static int queue_request(void *context, uint8_t *data, size_t size)
{
    struct sending *sending = context;
    struct outbox_request request = {.body = data,
                                     .size = size,
                                     .time_ns = sending->time_ns,
                                     .series = sending->series,
                                     .label = sending->label};
    int error = 0;

    if (sending->sink->server.compressed) {
        error = body_pack(data, size, &request.body, &request.size);
        free(data);
    }
    sending->time_ns += STAMP_NS;
    return error ? error : outbox_add(sending->sink->outbox, &request);
}

/* Where many programs have one name, or many hosts one program, no two requests should have the same time: of profiles of one
   series that begin in the same millisecond, Pyroscope shows one. */
static int64_t next_stamp(const struct sink_otlp *sink, const struct upload *upload)
{
    int64_t half_ms = (upload->end_ns - upload->start_ns) / MS_NS / 2, stamp_ns = upload->start_ns;
    uint32_t random = 0;

    if (half_ms > 0 && getrandom(&random, sizeof random, GRND_NONBLOCK) == sizeof random)
        stamp_ns += random % half_ms * MS_NS;
    return sink->stamp_ns > upload->end_ns || stamp_ns > sink->stamp_ns ? stamp_ns : sink->stamp_ns;
}

/* An endpoint of all signals that has none for profiles. That is said once, and it is asked now and then. */
static bool is_without_profiles(struct sink_otlp *sink)
{
    const struct outbox_counts *counts = outbox_counts(sink->outbox);
    int64_t now_ns = monotonic_ns();

    if (!sink->server.is_general || counts->sent || !(counts->answers[404] + counts->answers[405]))
        return false;
    if (sink->ask_again_ns && now_ns >= sink->ask_again_ns) {
        sink->ask_again_ns = now_ns + ASK_AGAIN_NS;
        return false;
    }
    if (!sink->ask_again_ns)
        sink->ask_again_ns = now_ns + ASK_AGAIN_NS;
    return true;
}

static int take_group(struct sink_otlp *sink, const struct upload *upload, const struct fact_group *group)
{
    static const struct otlp_limits limits = {REQUEST_SAMPLES, REQUEST_FRAMES, REQUEST_BYTES, STAMP_NS};
    struct resource resource = {.attributes = 0};
    struct sending sending = {.sink = sink, .time_ns = sink->stamp_ns};
    const struct otlp_meta meta = {
        .time_ns = sending.time_ns,
        .unnamed = sink->options->settings.value[SETTING_NAME_LATER].number ? PROFILE_UNNAMED_LEFT_BY_ID
                                                                            : PROFILE_UNNAMED_SHOWN,
        .resource = &resource,
        .group = group->groups->count > 1 ? group : NULL,
    };
    int error;

    describe(sink, upload, group, &resource);
    snprintf(sending.label, sizeof sending.label, "profiles of %s", resource.attribute[0].text);
    snprintf(sending.series, sizeof sending.series, "%u %" PRIx64, upload->number, group->hash);
    error = otlp_encode(upload, &meta, &limits, queue_request, &sending);
    sink->stamp_ns = sending.time_ns;
    resource_free(&resource);
    return error;
}

static int otlp_take(struct sink *base, const struct upload *upload)
{
    struct sink_otlp *sink = (struct sink_otlp *)base;
    struct fact_groups groups;
    int error = 0;

    if (is_without_profiles(sink))
        return 0;
    sink->stamp_ns = next_stamp(sink, upload);
    fact_groups_make(&groups, upload->facts, FACTS_OF_GROUP);
    for (unsigned i = 0; i < groups.count && !error; i++)
        error = take_group(sink, upload, &groups.group[i]);
    if (error)
        log_warn("profiles of %s could not be queued for OTLP: %s", upload->program, strerror(-error));
    return error;
}

static unsigned otlp_work(struct sink *base, unsigned wait_ms)
{
    return outbox_work(((struct sink_otlp *)base)->outbox, wait_ms);
}

static void otlp_free(struct sink *base)
{
    struct sink_otlp *sink = (struct sink_otlp *)base;

    outbox_free(sink->outbox);
    free(sink);
}

static void otlp_get_figures(const struct sink *base, struct sink_figures *figures)
{
    outbox_get_figures(((const struct sink_otlp *)base)->outbox, figures);
}

static void otlp_settle(struct sink *base)
{
    outbox_settle(((struct sink_otlp *)base)->outbox);
}

static int64_t otlp_next(const struct sink *base)
{
    return outbox_next_ns(((const struct sink_otlp *)base)->outbox);
}

static const struct sink_ops otlp_ops = {"otlp",           otlp_take,   otlp_work, otlp_free,
                                         otlp_get_figures, otlp_settle, otlp_next};

struct sink *sink_otlp_new(const struct options *options)
{
    struct sink_otlp *sink = calloc(1, sizeof *sink);

    if (!sink)
        return NULL;
    sink->sink.ops = &otlp_ops;
    sink->options = options;
    if (otlp_server_read(&sink->server, options))
        sink->outbox = outbox_new(options, &sink->server.kind, &sink->server.http);
    if (sink->outbox)
        return &sink->sink;
    free(sink);
    return NULL;
}
