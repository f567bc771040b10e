/* SPDX-License-Identifier: Apache-2.0 */
#include "comments.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "in_use.h"
#include "uploader/base/clock.h"
#include "uploader/options/options.h"
#include "uploader/profile/unnamed.h"

#define X(name, class, text) [COUNT_##name] = text,
static const char *const counter_texts[COUNTERS] = {LAYOUT_COUNTERS(X)};
#undef X

#define X(name, class, text) [COUNT_##name] = CLASS_##class,
static const enum counter_class counter_classes[COUNTERS] = {LAYOUT_COUNTERS(X)};
#undef X

static bool is_loss(int counter)
{
    return counter_classes[counter] != CLASS_TAKEN && counter_classes[counter] != CLASS_EVENT;
}

void program_each_loss(const struct program_counts *counts, loss_line *line, void *context)
{
    for (int i = 0; i < COUNTERS; i++)
        if (counts->counter[i] && is_loss(i))
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

void programs_note(struct programs *programs, const char *text)
{
    struct programs_note *note = &programs->note[programs->notes++ % PROGRAMS_NOTES];
    time_t now = (time_t)(clock_ns(CLOCK_REALTIME) / SECOND_NS);
    char stamp[32];
    struct tm tm;

    strftime(stamp, sizeof stamp, "%F %T", gmtime_r(&now, &tm));
    note->at_ns = monotonic_ns();
    snprintf(note->text, sizeof note->text, "%s UTC: %s", stamp, text);
}

static void comment_notes(struct comments *comments, const struct programs *programs, int64_t since_ns)
{
    for (unsigned i = 0; i < PROGRAMS_NOTES; i++) {
        const struct programs_note *note = &programs->note[(programs->notes + i) % PROGRAMS_NOTES];
        if (note->at_ns && note->at_ns >= since_ns)
            comment(comments, "%s", note->text);
    }
}

/* Each module on a line of its own, so that it fits. */
static void comment_unnamed(struct comments *comments, struct profile *const profile[KIND_IDS])
{
    struct unnamed unnamed;
    char text[UNNAMED_TEXT];

    if (!unnamed_find(profile, &unnamed))
        return;
    for (unsigned i = 0; i < unnamed.count; i++) {
        unnamed_text(&unnamed.module[i], text);
        comment(comments, "no symbols, share of %s: %s", profile_kinds[unnamed.kind].name, text);
    }
    if (unnamed.others)
        comment(comments, "no symbols: %u more modules", unnamed.others);
}

static void comment_line(uint64_t n, const char *text, void *comments)
{
    comment(comments, "%" PRIu64 " %s", n, text);
}

/* Since the program began, with what the uploader did for it. */
static void comment_overhead(struct comments *comments, const struct program *program)
{
    const struct budget *budget = &program->budget;
    const int64_t *ns = budget->costs.ns;
    double share = 100 * budget_share(budget, monotonic_ns() - program->start_ns),
           all = (double)budget_cost(budget);
    double uploader = all > 0 ? share * (double)(ns[COST_WALL] + ns[COST_READING]) / all : 0;
    char text[BUDGET_TEXT], limit[40] = "no limit";

    if (budget->limit_ppm)
        snprintf(limit, sizeof limit, "the limit is %.4g %%", budget->limit_ppm / 1e4);
    comment(comments, "overhead: %.3g %% of the CPU time (samples %.3g, uploader %.3g); %s", share,
            share - uploader, uploader, limit);
    if (budget_text(budget, text))
        comment(comments, "to hold the limit: %s", text);
}

void comments_make(struct comments *comments, const struct program *program, bool merged, int64_t duration_ns)
{
    const struct program_counts *counts = merged ? &program->counts : &program->interval_counts;
    struct profile *const *profile = merged ? program->merged : program->interval;
    char in_use[IN_USE_TEXT];
    int64_t cpu_ns = profile[KIND_ID_CPU] ? profile_total(profile[KIND_ID_CPU], 1) : 0;

    comments->count = 0;
    comment(comments, "cprof " CPROF_VERSION);
    comment(comments, "%s: %u process%s so far, %zu running; %.3f s", program->name, program->processes,
            program->processes == 1 ? "" : "es", program->alive, (double)duration_ns / 1e9);
    comment_rates(comments, program);
    comment_notes(comments, program->programs, merged ? program->start_ns : program->interval_start_ns);
    if (merged && program_in_use_text(program, in_use))
        comment(comments, "%s", in_use);
    for (int i = 0; i < COUNTERS; i++)
        if (counts->counter[i] && !program_counter_is_ticks((enum counter)i))
            comment(comments, "%" PRIu64 " %s", counts->counter[i], counter_texts[i]);
    if (counts->malformed)
        comment(comments, "%" PRIu64 " records dropped: they made no sense", counts->malformed);
    programs_each_ceiling(program->programs, comment_line, comments);
    comment_unnamed(comments, profile);
    comment_profiles(comments, profile, merged ? PROGRAM_STACKS : PROGRAM_INTERVAL_STACKS);
    if (cpu_ns)
        comment(comments, "cost of taking samples: %" PRIu64 " ns, %.3f %% of the CPU time", counts->own_ns,
                100.0 * (double)counts->own_ns / (double)cpu_ns);
    else
        comment(comments, "cost of taking samples: %" PRIu64 " ns", counts->own_ns);
    comment_overhead(comments, program);
}
