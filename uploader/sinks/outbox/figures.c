/* SPDX-License-Identifier: Apache-2.0 */
/* What an outbox did and holds, as metrics show it. */
#include "outbox_state.h"
#include "uploader/base/clock.h"

static const enum sink_outcome outcomes[] = {
    [OUTBOX_TAKEN] = SINK_TAKEN,      [OUTBOX_REFUSED] = SINK_REFUSED, [OUTBOX_DENIED] = SINK_DENIED,
    [OUTBOX_NOT_HERE] = SINK_REFUSED, [OUTBOX_MOVED] = SINK_REFUSED,   [OUTBOX_TOO_LARGE] = SINK_REFUSED,
    [OUTBOX_LATER] = SINK_LATER,      [OUTBOX_FAILED] = SINK_FAILED,
};

void outbox_get_figures(const struct outbox *outbox, struct sink_figures *figures)
{
    const struct outbox_counts *counts = &outbox->counts;

    figures->requests[SINK_NO_ANSWER] = counts->answers[0];
    for (int status = 1; status < OUTBOX_STATUSES; status++)
        figures->requests[outcomes[outbox_meaning(outbox->kind, status)]] += counts->answers[status];
    figures->dropped[SINK_DROP_REFUSED] = counts->refused;
    figures->dropped[SINK_DROP_FULL] = counts->dropped_size;
    figures->dropped[SINK_DROP_OLD] = counts->dropped_age;
    figures->dropped[SINK_DROP_DAMAGED] = counts->damaged;
    figures->dropped[SINK_DROP_END] = counts->dropped_end;
    figures->bytes = counts->sent_bytes;
    figures->partly = counts->partly;
    figures->duration = counts->latency;
    figures->queue_profiles = counts->queued - counts->on_disk;
    figures->queue_bytes = outbox->memory_bytes;
    figures->spool_files = counts->on_disk;
    figures->spool_bytes = counts->disk_bytes;
    figures->spool_errors = counts->spool_errors;
    figures->spool_limit = outbox->spool ? outbox->spool_most : 0;
    if (outbox->first)
        figures->oldest_ns = clock_ns(CLOCK_REALTIME) - outbox->first->entry.time_ns;
}
