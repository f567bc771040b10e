/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushes to a Pyroscope server. A profile waits in a queue until the server takes it or refuses it for good,
 * or until it is too old. The queue is bounded, and the oldest are dropped. A profile that cannot be sent
 * keeps no other one waiting, unless the server itself cannot be reached or asks for a pause.
 */
#include "uploader/options/log.h"
#include "uploader/programs/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "http.h"
#include "series.h"
#include "uploader/base/clock.h"
#include "uploader/profile/encode.h"

enum {
    QUEUE_BYTES = 8 << 20,
    PIECE_SAMPLES =
        16000, /* the server's limits; of the bytes, 2 MB, some room is left for the last sample */
    PIECE_FRAMES = 1000,
    PIECE_BYTES = 1500 * 1000,
    AT_ONCE = 4,
    TRIES_LATER = 12, /* of one profile: answers that speak of a passing state ... */
    TRIES_FAILED = 4, /* ... and errors inside the server, which a profile that it cannot read causes, too */
    BACKOFF_MS = 1000,
    BACKOFF_MOST_MS = 60 * 1000,
    PAUSE_MOST_S = 300,
    NETWORK_MS = 10, /* work() may wait that long for the network, so that a request needs few calls of it */
    NETWORK_TURNS = 3,
};
#define STAMP_NS MS_NS
#define AHEAD_NS                                                                                             \
    (10 * SECOND_NS) /* that the last stamp may be ahead: programs of milliseconds, many in a row */
#define OLDEST_NS (3600 * SECOND_NS) /* the server takes nothing older */

struct item {
    struct item *next;
    struct sink_pyroscope *owner;
    struct series series;
    uint8_t *profile;
    size_t size;
    size_t weight;    /* what it takes in the queue, labels included */
    int64_t began_ns; /* CLOCK_MONOTONIC of its start */
    int64_t due_ns;   /* CLOCK_MONOTONIC */
    unsigned tries;
    bool sending;
};

struct sink_pyroscope {
    struct sink sink;
    const struct options *options;
    struct http *http;
    struct item *first, **last; /* oldest first */
    size_t bytes;
    unsigned count, sending;
    int64_t pause_ns;     /* CLOCK_MONOTONIC: nothing is sent before */
    unsigned unreachable; /* attempts without an answer since the last one with */
    int64_t stamp_ns;     /* CLOCK_REALTIME: the last one given to a profile */
    char *checked;        /* labels whose faults were told */
};

static void item_free(struct item *item)
{
    series_free(&item->series);
    free(item->profile);
    free(item);
}

static void queue_remove(struct sink_pyroscope *sink, struct item *item)
{
    struct item **link = &sink->first;

    while (*link != item)
        link = &(*link)->next;
    *link = item->next;
    if (sink->last == &item->next)
        sink->last = link;
    sink->bytes -= item->weight;
    sink->count--;
    item_free(item);
}

static struct item *oldest_idle(struct sink_pyroscope *sink)
{
    for (struct item *item = sink->first; item; item = item->next)
        if (!item->sending)
            return item;
    return NULL;
}

static void queue_add(struct sink_pyroscope *sink, struct item *item)
{
    struct item *oldest;
    unsigned dropped = 0;

    item->next = NULL;
    *sink->last = item;
    sink->last = &item->next;
    sink->bytes += item->weight;
    sink->count++;
    while (sink->bytes > QUEUE_BYTES && (oldest = oldest_idle(sink))) {
        queue_remove(sink, oldest);
        dropped++;
    }
    if (dropped)
        log_warn("%u profiles dropped, the oldest: %d MiB wait for %s", dropped, QUEUE_BYTES >> 20,
                 http_url(sink->http));
}

static uint32_t random_number(void)
{
    uint32_t random;

    return getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0 ? (uint32_t)monotonic_ns() : random;
}

/* Spread, so that many uploaders do not all come back in the same moment. */
static int64_t backoff_ns(unsigned tries)
{
    int64_t ms = BACKOFF_MS;

    while (--tries && ms < BACKOFF_MOST_MS)
        ms *= 2;
    if (ms > BACKOFF_MOST_MS)
        ms = BACKOFF_MOST_MS;
    return (ms / 2 + random_number() % (uint32_t)ms) * MS_NS;
}

/* What a status means for the profile that it answers. */
enum meaning { TAKEN, MOVED, DENIED, NOT_HERE, LATER, FAILED, REFUSED };
static const struct {
    int first, last;
    enum meaning meaning;
} meanings[] = {
    {200, 299, TAKEN}, {300, 399, MOVED}, {401, 401, DENIED}, {403, 403, DENIED}, {404, 405, NOT_HERE},
    {408, 408, LATER}, {429, 429, LATER}, {502, 504, LATER},  {500, 599, FAILED},
};

static enum meaning find_meaning(int status)
{
    for (unsigned i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
        if (status >= meanings[i].first && status <= meanings[i].last)
            return meanings[i].meaning;
    return REFUSED;
}

static void no_answer(struct sink_pyroscope *sink, const struct http_answer *answer)
{
    if (!sink->unreachable++)
        log_warn("%s cannot be reached: %s; profiles wait, at most %d MiB and an hour", http_url(sink->http),
                 answer->text, QUEUE_BYTES >> 20);
    sink->pause_ns = monotonic_ns() + backoff_ns(sink->unreachable);
}

/* true: the profile stays in the queue. */
static bool try_later(struct sink_pyroscope *sink, struct item *item, const struct http_answer *answer,
                      unsigned most)
{
    int64_t now_ns = monotonic_ns();

    if (++item->tries >= most) {
        log_warn("%s profile dropped after %u tries: %s answers %d: %s", item->series.kind->name, item->tries,
                 http_url(sink->http), answer->status, answer->text);
        return false;
    }
    item->due_ns = now_ns + backoff_ns(item->tries);
    if (answer->retry_after_s) {
        int64_t pause_s = answer->retry_after_s < PAUSE_MOST_S ? answer->retry_after_s : PAUSE_MOST_S;
        sink->pause_ns = now_ns + pause_s * SECOND_NS;
        item->due_ns = sink->pause_ns;
    }
    log_info("%s answers %d: %s; tried again", http_url(sink->http), answer->status, answer->text);
    return true;
}

static bool deal_with(struct sink_pyroscope *sink, struct item *item, const struct http_answer *answer)
{
    switch (find_meaning(answer->status)) {
    case TAKEN:
        log_info("%s profile of %s pushed, %zu bytes", item->series.kind->name,
                 series_get(&item->series, "service_name"), item->size);
        return false;
    case MOVED:
        log_warn("%s leads elsewhere (%d), to %s, where nothing is sent; correct CPROF_SERVER",
                 http_url(sink->http), answer->status, answer->text);
        return false;
    case DENIED:
        log_warn("%s denies access (%d: %s); set CPROF_AUTH_TOKEN, or CPROF_BASIC_AUTH_USER and "
                 "CPROF_BASIC_AUTH_PASSWORD, or CPROF_TENANT_ID",
                 http_url(sink->http), answer->status, answer->text);
        return false;
    case NOT_HERE:
        log_warn("there is no Pyroscope server (1.0 or later) at %s: it answers %d to push.v1; correct "
                 "CPROF_SERVER",
                 http_url(sink->http), answer->status);
        return false;
    case LATER:
        return try_later(sink, item, answer, TRIES_LATER);
    case FAILED:
        return try_later(sink, item, answer, TRIES_FAILED);
    case REFUSED:
        break;
    }
    log_warn("%s refuses a %s profile (%d: %s)", http_url(sink->http), item->series.kind->name,
             answer->status, answer->text);
    return false;
}

static void request_done(void *context, const struct http_answer *answer)
{
    struct item *item = context;
    struct sink_pyroscope *sink = item->owner;

    item->sending = false;
    sink->sending--;
    if (!answer->status) {
        no_answer(sink, answer);
        return;
    }
    if (sink->unreachable)
        log_info("%s can be reached again", http_url(sink->http));
    sink->unreachable = 0;
    if (!deal_with(sink, item, answer))
        queue_remove(sink, item);
}

static int send_item(struct sink_pyroscope *sink, struct item *item)
{
    size_t size;
    uint8_t *body = series_push_request(&item->series, item->profile, item->size, &size);
    int error = -ENOMEM;

    if (body)
        error = http_post(sink->http, "/push.v1.PusherService/Push", "application/proto", body, size,
                          request_done, item);
    if (!error) {
        item->sending = true;
        sink->sending++;
    }
    return error;
}

static void drop_old(struct sink_pyroscope *sink)
{
    int64_t now_ns = monotonic_ns();
    unsigned dropped = 0;

    for (struct item *item = sink->first, *next; item; item = next) {
        next = item->next;
        if (item->sending || now_ns - item->began_ns < OLDEST_NS)
            continue;
        queue_remove(sink, item);
        dropped++;
    }
    if (dropped)
        log_warn("%u profiles dropped: older than an hour, which %s does not take", dropped,
                 http_url(sink->http));
}

static void send_due(struct sink_pyroscope *sink)
{
    int64_t now_ns = monotonic_ns();
    unsigned most = sink->unreachable ? 1 : AT_ONCE;

    if (now_ns < sink->pause_ns)
        return;
    for (struct item *item = sink->first; item && sink->sending < most; item = item->next)
        if (!item->sending && item->due_ns <= now_ns && send_item(sink, item))
            return;
}

/* When the next one may be sent; INT64_MAX where none waits. */
static int64_t next_due(const struct sink_pyroscope *sink)
{
    int64_t due_ns = INT64_MAX;

    for (const struct item *item = sink->first; item; item = item->next)
        if (!item->sending && item->due_ns < due_ns)
            due_ns = item->due_ns;
    return due_ns < sink->pause_ns ? sink->pause_ns : due_ns;
}

/* A last attempt for everything: what was put off is due. Ends early where nothing can be sent in the time
 * left. */
static void work_to_end(struct sink_pyroscope *sink, unsigned wait_ms)
{
    int64_t now_ns = monotonic_ns(), end_ns = now_ns + wait_ms * MS_NS;

    sink->pause_ns = now_ns;
    for (struct item *item = sink->first; item; item = item->next)
        item->due_ns = now_ns;
    while (sink->count && (now_ns = monotonic_ns()) < end_ns) {
        int64_t until_ns = end_ns;
        send_due(sink);
        if (!sink->sending) {
            until_ns = next_due(sink);
            if (until_ns >= end_ns)
                return;
            if (until_ns > now_ns)
                nanosleep(&(struct timespec){.tv_sec = (until_ns - now_ns) / SECOND_NS,
                                             .tv_nsec = (until_ns - now_ns) % SECOND_NS},
                          NULL);
            continue;
        }
        http_work(sink->http, (unsigned)((until_ns - now_ns) / MS_NS) + 1);
    }
}

static unsigned pyroscope_work(struct sink *base, unsigned wait_ms)
{
    struct sink_pyroscope *sink = (struct sink_pyroscope *)base;

    if (!sink->count)
        return 0;
    drop_old(sink);
    if (wait_ms) {
        work_to_end(sink, wait_ms);
        return sink->count;
    }
    for (int i = 0; i < NETWORK_TURNS && sink->count; i++) {
        send_due(sink);
        if (!sink->sending)
            break;
        http_work(sink->http, NETWORK_MS);
    }
    return sink->count;
}

static void make_series(struct sink_pyroscope *sink, const struct upload *upload,
                        const struct profile_kind *kind, struct series *series)
{
    bool quiet = sink->checked && !strcmp(sink->checked, upload->labels);

    series->kind = kind;
    series_label(series, upload, sink->options->settings.value[SETTING_RESOURCE].text, quiet);
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
};

static size_t weigh(const struct item *item)
{
    size_t weight = sizeof(*item) + item->size;

    for (unsigned i = 0; i < item->series.labels; i++)
        weight += strlen(item->series.label[i].name) + strlen(item->series.label[i].value) + 2;
    return weight;
}

static int queue_piece(void *context, uint8_t *data, size_t size)
{
    const struct pushing *pushing = context;
    struct item *item = calloc(1, sizeof(*item));

    if (!item) {
        free(data);
        return -ENOMEM;
    }
    item->owner = pushing->sink;
    item->profile = data;
    item->size = size;
    item->began_ns = monotonic_ns() - (clock_ns(CLOCK_REALTIME) - pushing->sink->stamp_ns);
    pushing->sink->stamp_ns += STAMP_NS;
    make_series(pushing->sink, pushing->upload, pushing->kind, &item->series);
    item->weight = weigh(item);
    queue_add(pushing->sink, item);
    return 0;
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

static int push_kind(struct sink_pyroscope *sink, const struct upload *upload, unsigned id)
{
    static const struct encode_limits limits = {PIECE_SAMPLES, PIECE_FRAMES, PIECE_BYTES, STAMP_NS};
    struct pushing pushing = {sink, upload, &profile_kinds[id]};
    const struct profile_meta meta = {
        .time_ns = sink->stamp_ns,
        .duration_ns = upload->end_ns - upload->start_ns,
        .period = upload->period[id],
        .comments = upload->comments,
        .program = upload->program,
    };

    return profile_encode_pieces(upload->interval[id], &meta, &limits, queue_piece, &pushing);
}

static int pyroscope_take(struct sink *base, const struct upload *upload)
{
    struct sink_pyroscope *sink = (struct sink_pyroscope *)base;
    int error = 0;

    sink->stamp_ns = next_stamp(sink, upload);
    for (unsigned i = 0; i < KIND_IDS && !error; i++)
        if (upload->interval[i] && profile_count(upload->interval[i]))
            error = push_kind(sink, upload, i);
    if (error)
        log_warn("a profile of %s could not be queued: %s", upload->program, strerror(-error));
    return error;
}

static void pyroscope_free(struct sink *base)
{
    struct sink_pyroscope *sink = (struct sink_pyroscope *)base;

    if (sink->count)
        log_warn("%u profiles could not be sent to %s in time", sink->count, http_url(sink->http));
    http_free(sink->http);
    while (sink->first)
        queue_remove(sink, sink->first);
    free(sink->checked);
    free(sink);
}

static const struct sink_ops pyroscope_ops = {"pyroscope", pyroscope_take, pyroscope_work, pyroscope_free};

struct sink *sink_pyroscope_new(const struct options *options)
{
    const struct setting_value *value = options->settings.value;
    const struct http_settings settings = {
        .url = value[SETTING_SERVER].text,
        .token = value[SETTING_AUTH_TOKEN].text,
        .user = value[SETTING_AUTH_USER].text,
        .password = value[SETTING_AUTH_PASSWORD].text,
        .tenant = value[SETTING_TENANT].text,
        .headers = value[SETTING_HEADERS].text,
    };
    struct sink_pyroscope *sink;

    if (!*settings.url)
        return NULL;
    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return NULL;
    sink->sink.ops = &pyroscope_ops;
    sink->options = options;
    sink->last = &sink->first;
    sink->http = http_new(&settings);
    if (sink->http)
        return &sink->sink;
    free(sink);
    return NULL;
}
