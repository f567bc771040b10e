/* SPDX-License-Identifier: Apache-2.0 */
#include "outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "outbox_state.h"
#include "uploader/base/clock.h"
#include "uploader/base/hash.h"
#include "uploader/options/log.h"

enum {
    AT_ONCE = 4,
    NETWORK_MS =
        10, /* outbox_work() may wait that long for the network, so that a request needs few calls of it */
    NETWORK_TURNS = 3,
};
#define UNREADABLE_NS (10 * SECOND_NS)

static void forget_label(struct item *item)
{
    if (item->place != ON_DISK)
        return;
    free(item->label);
    item->label = NULL;
}

/* A copy of the body, and the label. */
static int get_body(struct outbox *outbox, struct item *item, uint8_t **body)
{
    if (item->place == ON_DISK) {
        forget_label(item);
        return spool_read(outbox->spool, &item->entry, body, &item->label);
    }
    *body = malloc(item->entry.size + 1);
    if (!*body)
        return -ENOMEM;
    memcpy(*body, item->body, item->entry.size);
    return 0;
}

/* A piece keeps the time of the whole, so that it is sent in its turn. */
static int add_piece(void *context, uint8_t *body, size_t size)
{
    const struct item *whole = context;
    struct item *item = size <= UINT32_MAX ? calloc(1, sizeof(*item)) : NULL;

    if (!item || !(item->label = strdup(whole->label))) {
        free(item);
        free(body);
        return -ENOMEM;
    }
    item->owner = whole->owner;
    item->came_ns = monotonic_ns();
    item->entry = (struct spool_entry){whole->entry.time_ns, whole->entry.series, 0, (uint32_t)size};
    item->body = body;
    queue_add(whole->owner, item);
    return 0;
}

/* true: smaller requests are queued in its place. */
static bool split(struct outbox *outbox, struct item *item)
{
    uint8_t *body;
    int error = get_body(outbox, item, &body);

    if (error)
        return false;
    error = outbox->kind->split(body, item->entry.size, add_piece, item);
    free(body);
    queue_settle(outbox);
    outbox->counts.split += !error;
    return !error;
}

static void request_done(void *context, const struct http_answer *answer)
{
    struct item *item = context;
    struct outbox *outbox = item->owner;
    enum outbox_fate fate = outbox_answered(outbox, item, answer);

    if (fate == IS_TOO_LARGE && !split(outbox, item))
        outbox_refused(outbox, item, OUTBOX_TOO_LARGE, answer);
    item->sending = false;
    outbox->sending--;
    if (fate == STAYS)
        forget_label(item);
    else
        queue_remove(outbox, item);
}

/* What cannot be read is removed if it never can be, else put off. */
static void cannot_read(struct outbox *outbox, struct item *item, int error)
{
    if (error == -EBADMSG || error == -ENOENT) {
        outbox->counts.damaged++;
        queue_remove(outbox, item);
    } else if (error == -EPROTONOSUPPORT) {
        log_warn_of(outbox, "a profile in %s was written by a later version of cprof; it stays there",
                    spool_path(outbox->spool));
        queue_leave(outbox, item);
    } else {
        log_warn_of(outbox, "%s cannot be read: %s", spool_path(outbox->spool), strerror(-error));
        item->due_ns = monotonic_ns() + UNREADABLE_NS;
    }
}

/* 0, or negative errno: then the item may be gone. */
static int send_item(struct outbox *outbox, struct item *item)
{
    const struct outbox_kind *kind = outbox->kind;
    struct http_request request = {kind->path, kind->content_type, kind->content_encoding, NULL,
                                   item->entry.size};
    int error = get_body(outbox, item, &request.body);

    if (error) {
        cannot_read(outbox, item, error);
        return error;
    }
    error = http_post(outbox->http, &request, request_done, item);
    if (error) {
        forget_label(item);
        return error;
    }
    outbox->counts.retried += item->tries || outbox->troubles;
    item->sent_ns = monotonic_ns();
    item->sending = true;
    outbox->sending++;
    return 0;
}

/* Those of one series are sent one after the other, so that they arrive in order. */
static bool is_series_under_way(const struct outbox *outbox, uint32_t series)
{
    unsigned left = outbox->sending;

    for (const struct item *item = outbox->first; item && left; item = item->next) {
        if (item->sending && item->entry.series == series)
            return true;
        left -= item->sending;
    }
    return false;
}

/* Whether it may be sent now. What is older than what the server refused as too old waits for another uploader. */
static bool is_due(const struct outbox *outbox, const struct item *item, int64_t now_ns)
{
    return !item->sending && item->due_ns <= now_ns && item->entry.time_ns > outbox->refused_age_ns &&
           !is_series_under_way(outbox, item->entry.series);
}

static void send_due(struct outbox *outbox)
{
    int64_t now_ns = monotonic_ns();
    unsigned most = outbox->troubles ? 1 : AT_ONCE;

    if (now_ns < outbox->pause_ns)
        return;
    for (struct item *item = outbox->first, *next; item && outbox->sending < most; item = next) {
        next = item->next;
        if (is_due(outbox, item, now_ns) && send_item(outbox, item) == -ENOMEM)
            return;
    }
}

int64_t outbox_next_ns(const struct outbox *outbox)
{
    int64_t due_ns = INT64_MAX;

    if (outbox->sending || outbox->drafts)
        return 0;
    for (const struct item *item = outbox->first; item && due_ns > outbox->pause_ns; item = item->next)
        if (item->due_ns < due_ns && item->entry.time_ns > outbox->refused_age_ns)
            due_ns = item->due_ns;
    return due_ns < outbox->pause_ns ? outbox->pause_ns : due_ns;
}

/* One more attempt for everything. */
static void begin_end(struct outbox *outbox)
{
    outbox->is_ending = true;
    outbox->pause_ns = 0;
    for (struct item *item = outbox->first; item; item = item->next)
        item->due_ns = 0;
}

unsigned outbox_work(struct outbox *outbox, unsigned wait_ms)
{
    int64_t end_ns = monotonic_ns() + wait_ms * MS_NS;

    queue_settle(outbox);
    queue_tend(outbox);
    if (wait_ms && !outbox->is_ending)
        begin_end(outbox);
    for (int i = 0; queue_left(outbox) && (wait_ms ? monotonic_ns() < end_ns : i < NETWORK_TURNS); i++) {
        send_due(outbox);
        if (!outbox->sending && !wait_ms)
            break;
        if (outbox->sending)
            http_work(outbox->http, wait_ms ? (unsigned)((end_ns - monotonic_ns()) / MS_NS) + 1 : NETWORK_MS);
        else if (outbox_next_ns(outbox) >= end_ns)
            break;
        else
            usleep(1000);
    }
    return queue_left(outbox);
}

void outbox_settle(struct outbox *outbox)
{
    queue_settle(outbox);
}

int outbox_add(struct outbox *outbox, const struct outbox_request *request)
{
    struct item *item = calloc(1, sizeof(*item));

    if (!item || request->size > UINT32_MAX || !(item->label = strdup(request->label))) {
        free(item);
        free(request->body);
        return -ENOMEM;
    }
    item->owner = outbox;
    item->came_ns = monotonic_ns();
    item->entry =
        (struct spool_entry){.time_ns = request->time_ns,
                             .series = (uint32_t)hash_bytes(request->series, strlen(request->series)),
                             .size = (uint32_t)request->size};
    item->body = request->body;
    queue_add(outbox, item);
    return 0;
}

static uint32_t add_text(uint32_t crc, const char *text)
{
    return (uint32_t)crc32(crc, (const uint8_t *)text, (unsigned)strlen(text) + 1);
}

static void open_spool(struct outbox *outbox, const struct options *options, const struct http_settings *http)
{
    const struct setting_value *value = options->settings.value;
    struct spool_settings settings = {.path = value[SETTING_SPOOL].text,
                                      .kind = outbox->kind->name,
                                      .most_bytes = value[SETTING_SPOOL_SIZE].number,
                                      .most_ns = (int64_t)value[SETTING_SPOOL_AGE].number};

    if (!*settings.path || !settings.most_bytes)
        return;
    settings.destination = add_text(0, http_url(outbox->http));
    settings.destination = add_text(settings.destination, outbox->kind->path);
    if (outbox->kind->content_encoding)
        settings.destination = add_text(settings.destination, outbox->kind->content_encoding);
    settings.destination = add_text(settings.destination, http->tenant);
    settings.destination = add_text(settings.destination, http->user);
    outbox->spool_most = settings.most_bytes;
    outbox->spool_age_ns = settings.most_ns;
    outbox->spool = spool_open(&settings);
}

struct outbox *outbox_new(const struct options *options, const struct outbox_kind *kind,
                          const struct http_settings *http)
{
    struct outbox *outbox = calloc(1, sizeof(*outbox));

    if (!outbox)
        return NULL;
    outbox->kind = kind;
    outbox->last = &outbox->first;
    outbox->is_explained = http->explain;
    outbox->counts.reachable = true;
    outbox->http = http_new(http);
    if (!outbox->http) {
        free(outbox);
        return NULL;
    }
    open_spool(outbox, options, http);
    return outbox;
}

const struct outbox_counts *outbox_counts(const struct outbox *outbox)
{
    return &outbox->counts;
}

static void say_what_is_left(struct outbox *outbox)
{
    unsigned on_disk = (unsigned)outbox->counts.on_disk, lost = outbox->count - on_disk;
    const char *url = http_url(outbox->http);

    if (on_disk)
        log_warn_of(outbox,
                    "%u profiles for %s wait in %s; the next uploader with this CPROF_SPOOL sends them",
                    on_disk, url, spool_path(outbox->spool));
    if (lost)
        log_warn_of(outbox, "%u profiles could not be sent to %s in time and are lost%s", lost, url,
                    outbox->spool ? "" : "; CPROF_SPOOL=DIRECTORY would keep them");
    outbox->counts.dropped_end += lost;
}

void outbox_free(struct outbox *outbox)
{
    for (struct item *item = outbox->first; item; item = item->next)
        item->sending = false;
    queue_spool(outbox);
    say_what_is_left(outbox);
    http_free(outbox->http);
    queue_free(outbox);
    free(outbox);
}
