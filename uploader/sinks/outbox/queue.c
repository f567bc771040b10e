/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "outbox_state.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"
#include "uploader/options/paths.h"

enum { QUEUE_BYTES = 8 << 20 /* in memory */, SYNC_SHARE = 50, LEAST_SHARE = 8 };
#define LOOK_NS       (30 * SECOND_NS)
#define SYNC_AFTER_NS (5 * SECOND_NS) /* most are sent and removed before a disk hears of them */
#define SYNC_LEAST_NS (10 * MS_NS)

static uint64_t weigh(const struct item *item)
{
    return sizeof(*item) + item->entry.size;
}

/* ---- Accounts ---- */
static void count_in(struct outbox *outbox, const struct item *item, int sign)
{
    struct outbox_counts *counts = &outbox->counts;
    uint64_t on_disk = item->place == IN_MEMORY ? 0 : spool_weight(item->entry.size);

    outbox->count += (unsigned)sign;
    outbox->drafts += item->place == IN_DRAFT ? (unsigned)sign : 0;
    outbox->memory_bytes += item->place == ON_DISK ? 0 : (uint64_t)sign * weigh(item);
    counts->queued = outbox->count;
    counts->queued_bytes += (uint64_t)sign * item->entry.size;
    counts->on_disk += on_disk ? (uint64_t)sign : 0;
    counts->disk_bytes += (uint64_t)sign * on_disk;
}

static void move(struct outbox *outbox, struct item *item, enum item_place place)
{
    count_in(outbox, item, -1);
    item->place = (uint8_t)place;
    count_in(outbox, item, 1);
}

static void insert(struct outbox *outbox, struct item *item)
{
    struct item **link = outbox->last;

    if (outbox->newest_ns <= item->entry.time_ns) /* nearly always */
        outbox->newest_ns = item->entry.time_ns;
    else
        for (link = &outbox->first; *link && (*link)->entry.time_ns <= item->entry.time_ns;)
            link = &(*link)->next;
    item->next = *link;
    *link = item;
    if (!item->next)
        outbox->last = &item->next;
    count_in(outbox, item, 1);
}

static void take_out(struct outbox *outbox, struct item *item)
{
    struct item **link = &outbox->first;

    while (*link != item)
        link = &(*link)->next;
    *link = item->next;
    if (outbox->last == &item->next)
        outbox->last = link;
    count_in(outbox, item, -1);
    free(item->body);
    free(item->label);
    free(item);
}

void queue_remove(struct outbox *outbox, struct item *item)
{
    if (item->place == ON_DISK)
        spool_remove(outbox->spool, &item->entry);
    if (item->place == IN_DRAFT)
        spool_remove_draft(outbox->spool, &item->entry);
    take_out(outbox, item);
}

void queue_leave(struct outbox *outbox, struct item *item)
{
    take_out(outbox, item);
}

/* ---- Ceilings ---- */
/* The oldest one that is not under way, in the spool (drafts, too) or in memory alone. */
static struct item *oldest_idle(struct outbox *outbox, bool in_spool)
{
    for (struct item *item = outbox->first; item; item = item->next)
        if (!item->sending && (item->place != IN_MEMORY) == in_spool)
            return item;
    return NULL;
}

static void make_room_in_memory(struct outbox *outbox)
{
    struct item *oldest;
    unsigned dropped = 0;

    while (outbox->memory_bytes > QUEUE_BYTES && (oldest = oldest_idle(outbox, false))) {
        queue_remove(outbox, oldest);
        dropped++;
    }
    outbox->counts.dropped_size += dropped;
    if (dropped)
        log_warn_of(outbox, "%u profiles dropped, the oldest: %d MiB wait in memory for %s", dropped,
                    QUEUE_BYTES >> 20, http_url(outbox->http));
}

/* Others see at their next look that there is too much, and drop their oldest. Until then an uploader that comes to a
   full directory has some room, too. */
static uint64_t room_on_disk(const struct outbox *outbox)
{
    uint64_t least = outbox->spool_most / LEAST_SHARE;
    uint64_t room = outbox->spool_most > outbox->others_bytes ? outbox->spool_most - outbox->others_bytes : 0;

    return room > least ? room : least;
}

/* true: a request of that weight fits into the spool now. */
static bool make_room_on_disk(struct outbox *outbox, uint64_t weight)
{
    const struct outbox_counts *counts = &outbox->counts;
    uint64_t room = room_on_disk(outbox);
    struct item *oldest = NULL;
    unsigned dropped = 0;

    if (weight > outbox->spool_most)
        return false;
    while (counts->disk_bytes + weight > room && (oldest = oldest_idle(outbox, true))) {
        queue_remove(outbox, oldest);
        dropped++;
    }
    outbox->counts.dropped_size += dropped;
    if (dropped)
        log_warn_of(outbox, "%u profiles dropped, the oldest: %s is full (CPROF_SPOOL_SIZE, %llu MiB)",
                    dropped, spool_path(outbox->spool), (unsigned long long)outbox->spool_most >> 20);
    return counts->disk_bytes + weight <= room;
}

static unsigned drop_older(struct outbox *outbox, bool on_disk, int64_t age_ns)
{
    int64_t oldest_ns = clock_ns(CLOCK_REALTIME) - age_ns;
    unsigned dropped = 0;

    for (struct item *item = outbox->first, *next; age_ns && item && item->entry.time_ns < oldest_ns;
         item = next) {
        next = item->next;
        if (item->sending || (item->place == ON_DISK) != on_disk)
            continue;
        queue_remove(outbox, item);
        dropped++;
    }
    outbox->counts.dropped_age += dropped;
    return dropped;
}

static void drop_old(struct outbox *outbox)
{
    unsigned dropped = drop_older(outbox, true, outbox->spool_age_ns);

    if (dropped)
        log_warn_of(outbox, "%u profiles dropped: they were in %s for longer than CPROF_SPOOL_AGE", dropped,
                    spool_path(outbox->spool));
    dropped = drop_older(outbox, false, outbox->kind->window_ns);
    if (dropped)
        log_warn_of(outbox, "%u profiles dropped: older than an hour, which %s does not take", dropped,
                    http_url(outbox->http));
}

/* ---- The spool ---- */
static void spool_failed(struct outbox *outbox, int error)
{
    outbox->counts.spool_errors++;
    if (!outbox->is_disk_full)
        log_warn_of(outbox, "%s cannot be written: %s; profiles wait in memory, at most %d MiB, until it can",
                    spool_path(outbox->spool), path_error(-error), QUEUE_BYTES >> 20);
    outbox->is_disk_full = true;
}

static void write_draft(struct outbox *outbox, struct item *item)
{
    int error;

    if (!outbox->spool || !make_room_on_disk(outbox, spool_weight(item->entry.size)))
        return;
    error = spool_write(outbox->spool, &item->entry, item->label, item->body);
    if (error)
        spool_failed(outbox, error);
    else
        move(outbox, item, IN_DRAFT);
}

void queue_add(struct outbox *outbox, struct item *item)
{
    insert(outbox, item);
    write_draft(outbox, item);
    if (item->place == IN_MEMORY)
        make_room_in_memory(outbox);
}

static void settle(struct outbox *outbox, struct item *item)
{
    int error = spool_settle(outbox->spool, &item->entry);

    if (error) {
        spool_remove_draft(outbox->spool, &item->entry);
        move(outbox, item, IN_MEMORY);
        spool_failed(outbox, error);
        return;
    }
    if (outbox->is_disk_full)
        log_warn_of(outbox, "%s can be written again", spool_path(outbox->spool));
    outbox->is_disk_full = false;
    outbox->counts.spooled++;
    move(outbox, item, ON_DISK);
    free(item->body);
    free(item->label);
    item->body = NULL;
    item->label = NULL;
}

void queue_settle(struct outbox *outbox)
{
    for (struct item *item = outbox->first; item && outbox->drafts; item = item->next)
        if (item->place == IN_DRAFT)
            settle(outbox, item);
}

void queue_spool(struct outbox *outbox)
{
    for (struct item *item = outbox->first; outbox->spool && item; item = item->next)
        if (item->place == IN_MEMORY && !item->sending)
            write_draft(outbox, item);
    queue_settle(outbox);
}

static void found(void *context, const struct spool_entry *entry)
{
    struct outbox *outbox = context;
    struct item *item = calloc(1, sizeof(*item));

    if (!item)
        return; /* it stays there, for another uploader */
    item->owner = outbox;
    item->entry = *entry;
    item->came_ns = monotonic_ns();
    item->place = ON_DISK;
    insert(outbox, item);
}

static void look(struct outbox *outbox)
{
    unsigned before = outbox->count;
    struct spool_scan scan;

    outbox->next_look_ns = monotonic_ns() + LOOK_NS;
    spool_take_over(outbox->spool, outbox->counts.disk_bytes, &scan, found, outbox);
    outbox->others_bytes = scan.others_bytes;
    outbox->counts.dropped_age += scan.dropped_age;
    outbox->counts.dropped_size += scan.dropped_size;
    if (scan.dropped_age + scan.dropped_size)
        log_warn_of(outbox, "%u profiles for other servers dropped from %s, the oldest",
                    scan.dropped_age + scan.dropped_size, spool_path(outbox->spool));
    if (scan.elsewhere && !outbox->is_elsewhere_told)
        log_warn_of(outbox, "%u profiles in %s are for another server or tenant than %s; they stay there",
                    scan.elsewhere, spool_path(outbox->spool), http_url(outbox->http));
    outbox->is_elsewhere_told |= scan.elsewhere != 0;
    if (outbox->count > before)
        log_info("%u profiles that another uploader left in %s are sent to %s", outbox->count - before,
                 spool_path(outbox->spool), http_url(outbox->http));
    make_room_on_disk(outbox, 0);
}

/* One file at a time, and for a small share of the time, because a slow disk holds up everything else. */
static void sync_one(struct outbox *outbox)
{
    int64_t now_ns = monotonic_ns(), took_ns;
    struct item *item = outbox->first;

    if (now_ns < outbox->next_sync_ns)
        return;
    while (item && (item->place != ON_DISK || item->is_synced || now_ns - item->came_ns < SYNC_AFTER_NS))
        item = item->next;
    if (!item) {
        if (outbox->is_directory_stale)
            spool_sync_directory(outbox->spool);
        outbox->is_directory_stale = false;
        outbox->next_sync_ns = now_ns + SECOND_NS;
        return;
    }
    spool_sync(outbox->spool, &item->entry);
    item->is_synced = outbox->is_directory_stale = true;
    took_ns = monotonic_ns() - now_ns;
    outbox->next_sync_ns = now_ns + (took_ns < SYNC_LEAST_NS ? 0 : took_ns * SYNC_SHARE);
}

void queue_tend(struct outbox *outbox)
{
    drop_old(outbox);
    if (!outbox->spool)
        return;
    if (monotonic_ns() >= outbox->next_look_ns)
        look(outbox);
    sync_one(outbox);
}

unsigned queue_left(const struct outbox *outbox)
{
    unsigned left = outbox->count;

    for (const struct item *item = outbox->first; item && item->entry.time_ns <= outbox->refused_age_ns;
         item = item->next)
        left--;
    return left;
}

void queue_free(struct outbox *outbox)
{
    while (outbox->first)
        take_out(outbox, outbox->first);
    if (outbox->spool)
        spool_close(outbox->spool);
}
