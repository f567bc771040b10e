/* SPDX-License-Identifier: Apache-2.0 */
#include "comments.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "uploader/options/options.h"

#define X(name, text) [COUNT_##name] = text,
static const char *const counter_texts[COUNTERS] = {LAYOUT_COUNTERS(X)};
#undef X

/* What happened and is no loss. */
static const bool is_event[COUNTERS] = {
    [COUNT_CPU_SAMPLES] = true,   [COUNT_CPU_OVERRUNS] = true,      [COUNT_ALLOC_SAMPLES] = true,
    [COUNT_OWN_TICKS] = true,     [COUNT_EARLY_ALLOCATIONS] = true, [COUNT_MUTEX_SAMPLES] = true,
    [COUNT_BLOCK_SAMPLES] = true, [COUNT_WAITS_BY_MARK] = true,     [COUNT_WAITS_BY_COUNT] = true,
};

void program_each_loss(const struct program_counts *counts, loss_line *line, void *context)
{
    for (int i = 0; i < COUNTERS; i++)
        if (counts->counter[i] && !is_event[i])
            line(counts->counter[i], counter_texts[i], context);
    if (counts->malformed)
        line(counts->malformed, "records dropped: they made no sense", context);
}

void programs_each_ceiling(const struct programs *programs, loss_line *line, void *context)
{
    const struct {
        uint64_t n;
        const char *text;
    } ceilings[] = {
        {programs->other ? programs->other->processes : 0,
         "processes in \"[other programs]\": too many programs to tell apart"},
        {programs->processes_beyond, "processes not profiled: too many at one time"},
        {programs->threads_beyond, "threads in \"[other threads]\": too many names to tell apart"},
        {symbols_beyond(programs->symbols),
         "look-ups of addresses without a name: too many names or modules to keep"},
    };

    for (size_t i = 0; i < sizeof ceilings / sizeof ceilings[0]; i++)
        if (ceilings[i].n)
            line(ceilings[i].n, ceilings[i].text, context);
}

__attribute__((format(printf, 2, 3))) static void comment(struct comments *comments, const char *format, ...)
{
    va_list args;
    if (comments->count == COMMENTS)
        return;
    va_start(args, format);
    vsnprintf(comments->text[comments->count], COMMENT_SIZE, format, args);
    va_end(args);
    comments->line[comments->count] = comments->text[comments->count];
    comments->line[++comments->count] = NULL;
}

static void comment_rates(struct comments *comments, const struct program *program)
{
    if (program->period[KIND_ID_CPU])
        comment(comments, "cpu: %.4g samples per second of CPU time and thread",
                1e9 / (double)program->period[KIND_ID_CPU]);
    if (program->period[KIND_ID_MEMORY])
        comment(comments, "memory: one sample per %" PRId64 " bytes on average",
                program->period[KIND_ID_MEMORY]);
    if (program->period[KIND_ID_MUTEX])
        comment(comments, "mutex: one of %" PRId64 " contentions recorded", program->period[KIND_ID_MUTEX]);
    if (program->period[KIND_ID_BLOCK])
        comment(comments, "block: waits below %" PRId64 " ns are sampled, longer ones all recorded",
                program->period[KIND_ID_BLOCK]);
    if (program->period[KIND_ID_WALL])
        comment(comments, "wall, off_cpu: %.4g looks per second at every thread",
                1e9 / (double)program->period[KIND_ID_WALL]);
}

static void comment_profiles(struct comments *comments, struct profile *const profile[KIND_IDS],
                             int most_stacks)
{
    for (int k = 0; k < KIND_IDS; k++)
        if (profile[k] && profile_overflowed(profile[k]))
            comment(comments, "%s: %" PRIu64 " records beyond %d stacks went to one", profile_kinds[k].name,
                    profile_overflowed(profile[k]), most_stacks);
}

static void comment_line(uint64_t n, const char *text, void *comments)
{
    comment(comments, "%" PRIu64 " %s", n, text);
}

void comments_make(struct comments *comments, const struct program *program, bool merged, int64_t duration_ns)
{
    const struct program_counts *counts = merged ? &program->counts : &program->interval_counts;
    struct profile *const *profile = merged ? program->merged : program->interval;
    int64_t cpu_ns = profile[KIND_ID_CPU] ? profile_total(profile[KIND_ID_CPU], 1) : 0;

    comments->count = 0;
    comment(comments, "cprof " CPROF_VERSION);
    comment(comments, "%s: %u process%s so far, %zu running; %.3f s", program->name, program->processes,
            program->processes == 1 ? "" : "es", program->alive, (double)duration_ns / 1e9);
    comment_rates(comments, program);
    for (int i = 0; i < COUNTERS; i++)
        if (counts->counter[i] && i != COUNT_OWN_TICKS)
            comment(comments, "%" PRIu64 " %s", counts->counter[i], counter_texts[i]);
    if (counts->malformed)
        comment(comments, "%" PRIu64 " records dropped: they made no sense", counts->malformed);
    programs_each_ceiling(program->programs, comment_line, comments);
    comment_profiles(comments, profile, merged ? PROGRAM_STACKS : PROGRAM_INTERVAL_STACKS);
    if (cpu_ns)
        comment(comments, "cost of taking samples: %" PRIu64 " ns, %.3f %% of the CPU time", counts->own_ns,
                100.0 * (double)counts->own_ns / (double)cpu_ns);
    else
        comment(comments, "cost of taking samples: %" PRIu64 " ns", counts->own_ns);
}
