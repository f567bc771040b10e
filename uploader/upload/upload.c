/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <stdlib.h>
#include <string.h>

#include "comments.h"
#include "sink.h"
#include "uploader/base/clock.h"
#include "uploader/options/log.h"

#define INTERVAL_GAP_NS (5 * SECOND_NS)

static void put_short_lived(void *program, const struct profile_sample *sample, uint32_t profiles)
{
    program_add_time(program, PROGRAM_MERGED | PROGRAM_INTERVAL, sample, profiles);
}

void program_settle_short_lived(struct program *program)
{
    short_lived_settle(program->short_lived, program->programs->symbols, put_short_lived, program);
}

static const struct profile *not_empty(const struct profile *profile)
{
    size_t cursor = 0;
    return profile && profile_next(profile, &cursor) ? profile : NULL;
}

static bool is_living(const void *program, uint32_t pid)
{
    return hash_get(&((const struct program *)program)->pids, pid);
}

static void interval_reset(struct program *program, int64_t end_ns)
{
    for (int k = 0; k < KIND_IDS; k++) {
        program->programs->samples -= program->interval[k] ? profile_size(program->interval[k]) : 0;
        profile_free(program->interval[k]);
        program->interval[k] = NULL;
    }
    process_facts_sweep(&program->facts, is_living, program);
    memset(&program->interval_counts, 0, sizeof program->interval_counts);
    program->interval_start_ns = end_ns;
    program->interval_done_ns = monotonic_ns();
    program->changed = false;
}

/* The values are scaled up already, so the period is 1, as in Go's profiles of these kinds. */
static bool is_rate_of_events(int kind)
{
    return kind == KIND_ID_MUTEX || kind == KIND_ID_BLOCK;
}

static void give_to_sinks(struct program *program, const struct upload *upload)
{
    const struct programs *programs = program->programs;

    for (size_t i = 0; i < programs->sinks; i++)
        programs->sink[i]->ops->take(programs->sink[i], upload);
    if (*upload->path && (!program->path || strcmp(upload->path, program->path) != 0)) {
        free(program->path);
        program->path = strdup(upload->path);
    }
    program->has_been = true;
}

/* true: there is something to hand on. */
static bool take_profiles(const struct program *program, unsigned parts, struct upload *upload)
{
    bool any = false;

    for (int k = 0; k < KIND_IDS; k++) {
        upload->interval[k] = parts & PROGRAM_INTERVAL ? not_empty(program->interval[k]) : NULL;
        upload->merged[k] = not_empty(program->merged[k]);
        upload->period[k] = is_rate_of_events(k) ? 1 : program->period[k];
        any |= upload->merged[k] != NULL;
    }
    return any;
}

bool program_describe(struct program *program, unsigned parts, struct description *description)
{
    struct upload *upload = &description->upload;

    description->path[0] = 0;
    if (program->alive)
        program_drop_ended_threads(program);
    if (program->alive || !program->end_ns)
        program->end_ns = monotonic_ns();
    *upload = (struct upload){
        .number = program->number,
        .id = &program->id,
        .path = description->path,
        .program = program->name,
        .service = program->service,
        .labels = program->labels,
        .start_ns = realtime_of(program->interval_start_ns),
        .session_start_ns = realtime_of(program->start_ns),
        .facts = &program->facts,
        .comments = description->interval.line,
        .merged_comments = description->merged.line,
        .final = !program->alive,
    };
    upload->end_ns = upload->start_ns + program->end_ns - program->interval_start_ns;
    if (!take_profiles(program, parts, upload))
        return false;
    comments_make(&description->interval, program, false, program->end_ns - program->interval_start_ns);
    comments_make(&description->merged, program, true, program->end_ns - program->start_ns);
    return true;
}

void program_upload(struct program *program, unsigned parts)
{
    const int64_t began_ns = monotonic_ns();
    struct description description;

    if (program_describe(program, parts, &description))
        give_to_sinks(program, &description.upload);
    program->merged_done_ns = monotonic_ns();
    durations_add(&program->programs->upload, program->merged_done_ns - began_ns);
    if (parts & PROGRAM_INTERVAL)
        interval_reset(program, program->end_ns);
}

void programs_skip_idle(struct programs *programs, int64_t now_ns)
{
    for (size_t i = 0; i < programs->count; i++)
        if (!programs->program[i]->changed && programs->program[i]->alive)
            programs->program[i]->interval_start_ns = now_ns;
}

static int64_t upload_due(struct program *program, int64_t now_ns)
{
    bool ended = !program->alive;
    bool whole =
        ended && (!program->interval_done_ns || now_ns - program->interval_done_ns >= INTERVAL_GAP_NS);

    if (!program->due_ns || now_ns < program->due_ns)
        return program->due_ns ? program->due_ns : INT64_MAX;
    program_settle_short_lived(program);
    programs_fold_if_large(program->programs);
    program_upload(program, whole ? PROGRAM_MERGED | PROGRAM_INTERVAL : PROGRAM_MERGED);
    program->due_ns = ended && !whole ? program->interval_done_ns + INTERVAL_GAP_NS : 0;
    return program->due_ns ? program->due_ns : INT64_MAX;
}

int64_t programs_upload_due(struct programs *programs, int64_t now_ns)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < programs->count; i++) {
        int64_t due = upload_due(programs->program[i], now_ns);
        next = due < next ? due : next;
    }
    return next;
}

void programs_upload_all(struct programs *programs)
{
    for (size_t i = 0; i < programs->count; i++) {
        struct program *program = programs->program[i];
        int64_t cpu_ns;
        if (!program->changed && !program->due_ns)
            continue;
        cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        program_settle_short_lived(program);
        programs_fold_if_large(programs);
        program_upload(program, PROGRAM_MERGED | PROGRAM_INTERVAL);
        program->due_ns = 0;
        program->budget.costs.ns[COST_READING] += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    }
}

void programs_settle(struct programs *programs)
{
    for (size_t i = 0; i < programs->sinks; i++)
        if (programs->sink[i]->ops->settle)
            programs->sink[i]->ops->settle(programs->sink[i]);
}

bool programs_have_been(const struct programs *programs)
{
    for (size_t i = 0; i < programs->count; i++)
        if (programs->program[i]->has_been)
            return true;
    return false;
}

void programs_explain_nothing(const struct programs *programs, const char *out)
{
    if (programs->count && !programs_have_been(programs))
        log_warn("nothing is written%s%s: no profile of %s has a sample", *out ? " to " : "", out,
                 programs->count == 1 ? programs->program[0]->name : "any program");
}
