/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "outbox_state.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"

enum {
    TRIES_FAILED = 4, /* of a request over which the server breaks */
    BACKOFF_MS = 1000,
    BACKOFF_MOST_MS = 60 * 1000,
    PAUSE_MOST_S = 300,
    TROUBLES_OF_ALL = 3, /* so many in a row are no fault of one request */
};

/* What holds unless the protocol differs. The rest is refused for good. */
static const struct outbox_status usual[] = {
    {200, 299, OUTBOX_TAKEN},
    {300, 399, OUTBOX_MOVED},
    {401, 401, OUTBOX_DENIED},
    {403, 403, OUTBOX_DENIED},
    {404, 405, OUTBOX_NOT_HERE},
    {407, 408, OUTBOX_LATER}, /* a proxy denies access: the server has not decided */
    {413, 413, OUTBOX_TOO_LARGE},
    {425, 425, OUTBOX_LATER},
    {429, 429, OUTBOX_LATER},
    {502, 504, OUTBOX_LATER},
    {500, 599, OUTBOX_FAILED},
    {0},
};

static const struct outbox_status *find_status(const struct outbox_status *row, int status)
{
    for (; row && row->first; row++)
        if (status >= row->first && status <= row->last)
            return row;
    return NULL;
}

enum outbox_meaning outbox_meaning(const struct outbox_kind *kind, int status)
{
    const struct outbox_status *row = find_status(kind->differs, status);

    if (!row)
        row = find_status(usual, status);
    return row ? row->meaning : OUTBOX_REFUSED;
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

static void count_answer(struct outbox *outbox, const struct item *item, int status)
{
    struct outbox_counts *counts = &outbox->counts;

    if (status >= 0 && status < OUTBOX_STATUSES)
        counts->answers[status]++;
    counts->reachable = status != 0;
    if (status)
        durations_add(&counts->latency, monotonic_ns() - item->sent_ns);
}

/* Each status is said once, with the first answer of its kind. */
static bool is_told(struct outbox *outbox, int status)
{
    unsigned at = status > 0 && status < OUTBOX_STATUSES ? (unsigned)status : 0;
    bool told = outbox->said[at / 64] >> at % 64 & 1;

    outbox->said[at / 64] |= UINT64_C(1) << at % 64;
    return told;
}

static void say_refusal(struct outbox *outbox, const struct item *item, enum outbox_meaning meaning,
                        const struct http_answer *answer)
{
    const char *url = http_url(outbox->http), *label = item->label ? item->label : "a profile";

    switch (meaning) {
    case OUTBOX_MOVED:
        log_warn_of(outbox, "%s leads elsewhere (%d), to %s, where nothing is sent; correct the server's URL",
                    url, answer->status, answer->text);
        return;
    case OUTBOX_DENIED:
        log_warn_of(outbox, "%s denies access (%d: %s); set %s", url, answer->status, answer->text,
                    outbox->kind->login);
        return;
    case OUTBOX_NOT_HERE:
        log_warn_of(outbox, "there is no %s at %s: it answers %d; correct the server's URL",
                    outbox->kind->server, url, answer->status);
        return;
    default:
        log_warn_of(
            outbox,
            "%s refuses the %s (%d: %s); it is not sent again, and others that it refuses are counted", url,
            label, answer->status, answer->text);
    }
}

static const char in_memory[] = "memory, at most 8 MiB and an hour";

static void no_answer(struct outbox *outbox, const struct http_answer *answer)
{
    if (!outbox->is_cut_off)
        log_warn_of(outbox, "%s cannot be reached: %s; profiles wait in %s", http_url(outbox->http),
                    answer->text, outbox->spool ? spool_path(outbox->spool) : in_memory);
    outbox->is_cut_off = true;
    outbox->pause_ns = monotonic_ns() + backoff_ns(++outbox->troubles);
}

/* The server is asked for one request at a time until it takes one. What was asked for waits a little longer than the
   rest, so that a request that alone is put off does not keep the others waiting. */
static void later(struct outbox *outbox, struct item *item, const struct http_answer *answer, bool is_told)
{
    int64_t pause_s = answer->retry_after_s < PAUSE_MOST_S ? answer->retry_after_s : PAUSE_MOST_S;

    outbox->troubles++;
    outbox->pause_ns = monotonic_ns() + (pause_s ? pause_s * SECOND_NS : backoff_ns(outbox->troubles));
    item->due_ns = outbox->pause_ns + backoff_ns(item->tries);
    if (outbox->troubles == TROUBLES_OF_ALL && !is_told)
        log_warn_of(outbox, "%s takes nothing (%d: %s); profiles wait in %s", http_url(outbox->http),
                    answer->status, answer->text, outbox->spool ? spool_path(outbox->spool) : in_memory);
    else
        log_info("%s answers %d: %s; tried again", http_url(outbox->http), answer->status, answer->text);
}

/* true: given up. */
static bool failed(struct outbox *outbox, struct item *item, const struct http_answer *answer)
{
    if (item->tries >= TRIES_FAILED) {
        outbox->counts.refused++;
        log_warn_of(outbox, "%s dropped after %u tries: %s answers %d: %s", item->label, item->tries,
                    http_url(outbox->http), answer->status, answer->text);
        return true;
    }
    item->due_ns = monotonic_ns() + backoff_ns(item->tries);
    if (answer->retry_after_s)
        item->due_ns +=
            (answer->retry_after_s < PAUSE_MOST_S ? answer->retry_after_s : PAUSE_MOST_S) * SECOND_NS;
    return false;
}

static void taken(struct outbox *outbox, const struct item *item, const struct http_answer *answer)
{
    outbox->counts.sent++;
    outbox->counts.sent_bytes += item->entry.size;
    outbox->counts.last_sent_ns = clock_ns(CLOCK_REALTIME);
    log_info("%s taken by %s, %u bytes", item->label, http_url(outbox->http), item->entry.size);
    if (outbox->is_explained && *answer->text) {
        outbox->counts.partly++;
        log_warn_of(outbox, "%s took a part of the %s only: %s", http_url(outbox->http), item->label,
                    answer->text);
    }
    /* What was put off while it took nothing has waited long enough. */
    for (struct item *other = outbox->first; outbox->troubles >= TROUBLES_OF_ALL && other;
         other = other->next)
        other->due_ns = 0;
    outbox->troubles = 0;
}

/* A refusal of a request that is older than what the server usually takes. */
static bool is_too_old(const struct outbox *outbox, const struct item *item, enum outbox_meaning meaning)
{
    return meaning == OUTBOX_REFUSED && item->place == ON_DISK && outbox->kind->window_ns &&
           clock_ns(CLOCK_REALTIME) - item->entry.time_ns > outbox->kind->window_ns;
}

/* The server's limit may be raised, so it stays in the spool. This uploader sends nothing that is as old any more. */
static void keep_old(struct outbox *outbox, const struct item *item, const struct http_answer *answer)
{
    unsigned before = queue_left(outbox), left;

    outbox->refused_age_ns = item->entry.time_ns;
    left = queue_left(outbox);
    outbox->counts.too_old += before - left;
    log_warn_of(outbox, "%s refuses profiles as old as the %s (%d: %s); %u stay in %s until CPROF_SPOOL_AGE",
                http_url(outbox->http), item->label, answer->status, answer->text, before - left,
                spool_path(outbox->spool));
}

void outbox_refused(struct outbox *outbox, const struct item *item, enum outbox_meaning meaning,
                    const struct http_answer *answer)
{
    outbox->counts.refused++;
    if (is_told(outbox, answer->status))
        log_info("%s refuses %s (%d: %s)", http_url(outbox->http), item->label ? item->label : "a profile",
                 answer->status, answer->text);
    else
        say_refusal(outbox, item, meaning, answer);
}

static enum outbox_fate given_up(struct outbox *outbox, struct item *item, enum outbox_meaning meaning,
                                 const struct http_answer *answer)
{
    const struct outbox_kind *kind = outbox->kind;

    outbox->troubles = 0;
    if (kind->split && (meaning == OUTBOX_TOO_LARGE ||
                        (kind->is_too_large && kind->is_too_large(answer->status, answer->text))))
        return IS_TOO_LARGE;
    if (is_too_old(outbox, item, meaning)) {
        keep_old(outbox, item, answer);
        return STAYS;
    }
    outbox_refused(outbox, item, meaning, answer);
    return IS_DONE;
}

enum outbox_fate outbox_answered(struct outbox *outbox, struct item *item, const struct http_answer *answer)
{
    enum outbox_meaning meaning = outbox_meaning(outbox->kind, answer->status);

    count_answer(outbox, item, answer->status);
    if (!answer->status) {
        no_answer(outbox, answer);
        return STAYS;
    }
    item->tries += item->tries < UINT16_MAX;
    if (outbox->is_cut_off)
        log_info("%s can be reached again", http_url(outbox->http));
    outbox->is_cut_off = false;
    switch (meaning) {
    case OUTBOX_TAKEN:
        taken(outbox, item, answer);
        return IS_DONE;
    case OUTBOX_LATER:
        later(outbox, item, answer, false);
        return STAYS;
    case OUTBOX_NOT_HERE:
    case OUTBOX_MOVED:
        if (outbox->kind->is_always_there)
            return given_up(outbox, item, meaning, answer);
        if (!is_told(outbox, answer->status))
            say_refusal(outbox, item, meaning, answer);
        later(outbox, item, answer, true);
        return STAYS;
    case OUTBOX_FAILED:
        return failed(outbox, item, answer) ? IS_DONE : STAYS;
    default:
        return given_up(outbox, item, meaning, answer);
    }
}
