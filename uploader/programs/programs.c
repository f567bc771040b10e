/* SPDX-License-Identifier: Apache-2.0 */
#include "programs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/base/options.h"
#include "uploader/base/utf8.h"

#define MERGED_GAP_NS   (1 * SECOND_NS)
#define INTERVAL_GAP_NS (5 * SECOND_NS)

void programs_init(struct programs *programs, struct symbols *symbols)
{
    *programs = (struct programs){.symbols = symbols, .fold_at = PROGRAMS_FOLD_SAMPLES};
    programs->overflow = symbols_special(symbols, "[stacks beyond the ceiling]");
}

static void program_free(struct program *program)
{
    for (int k = 0; k < KIND_IDS; k++) {
        profile_free(program->interval[k]);
        profile_free(program->merged[k]);
    }
    brief_free(program->brief);
    table_free(&program->pids);
    free(program->id_bytes);
    free(program->id_text);
    free(program->path);
    free(program);
}

void programs_free(struct programs *programs)
{
    text_map_free(&programs->ids);
    text_map_free(&programs->threads);
    for (size_t i = 0; i < programs->count; i++)
        program_free(programs->program[i]);
    free(programs->program);
}

/* A copy of the id's texts, one behind the other. */
static bool copy_id(struct program *program, const struct program_id *id)
{
    size_t name = strlen(id->program) + 1, service = strlen(id->service) + 1, labels = strlen(id->labels) + 1;

    program->id_bytes = malloc(name + service + labels);
    if (!program->id_bytes)
        return false;
    memcpy(program->id_bytes, id->program, name);
    memcpy(program->id_bytes + name, id->service, service);
    memcpy(program->id_bytes + name + service, id->labels, labels);
    program->id =
        (struct program_id){program->id_bytes, program->id_bytes + name, program->id_bytes + name + service};
    return true;
}

/* What is shown to people and sent to servers. */
static const char *intern_clean(struct programs *programs, const char *text)
{
    char clean[ID_TEXT_BYTES];
    return symbols_intern(programs->symbols, utf8_clean(clean, sizeof clean, text, true));
}

static struct program *program_new(struct programs *programs, const struct program_id *id)
{
    struct program **grown = realloc(programs->program, (programs->count + 1) * sizeof(struct program *));
    struct program *program = calloc(1, sizeof *program);

    if (grown)
        programs->program = grown;
    if (!grown || !program || !copy_id(program, id)) {
        free(program);
        return NULL;
    }
    program->programs = programs;
    program->name = intern_clean(programs, *id->program ? id->program : "unknown");
    program->service = intern_clean(programs, id->service);
    program->labels = intern_clean(programs, id->labels);
    program->start_ns = program->interval_start_ns = monotonic_ns();
    program->number = (unsigned)programs->count;
    programs->program[programs->count++] = program;
    return program;
}

/* Its id has no service, which no other one is without. */
struct program *programs_get_other(struct programs *programs)
{
    static const struct program_id id = {"other programs", "", ""};

    if (programs->other)
        return programs->other;
    programs->other = program_new(programs, &id);
    if (!programs->other)
        return NULL;
    programs->other->name = programs->other->service = symbols_intern(programs->symbols, "[other programs]");
    log_warn("more than %d programs, services and sets of labels: further ones are all one, in \"%s\"",
             PROGRAMS_MOST, id.program);
    return programs->other;
}

struct program *programs_get(struct programs *programs, const char *name, const char *service,
                             const char *labels)
{
    const struct program_id id = {name, *service ? service : *name ? name : "unknown", labels};
    char text[ID_TEXT_BYTES];
    struct program *program;
    uint32_t number;

    id_text(&id, text);
    number = text_map_find(&programs->ids, text);
    if (number)
        return programs->program[number - 1];
    if (programs->count >= PROGRAMS_MOST)
        return programs_get_other(programs);
    program = program_new(programs, &id);
    if (!program)
        return NULL;
    program->id_text = strdup(text);
    if (program->id_text && text_map_number(&programs->ids, program->id_text, NULL))
        return program;
    program_free(programs->program[--programs->count]);
    return NULL;
}

static bool is_alive(const struct program *program, uint32_t pid)
{
    return table_get(&program->pids, pid) != NULL;
}

static bool keep_alive(const void *context, uint32_t pid)
{
    return is_alive(context, pid);
}

static bool keep_other(const void *context, uint32_t pid)
{
    return pid != *(const uint32_t *)context;
}

static void clear_threads(struct program *program, bool (*keep)(const void *context, uint32_t pid),
                          const void *context)
{
    static const enum profile_kind_id kinds[] = {KIND_ID_THREADS, KIND_ID_THREADCREATE};

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct profile *const profile[] = {program->merged[kinds[i]], program->interval[kinds[i]]};
        for (int n = 0; n < 2; n++)
            if (profile[n])
                profile_clear_but(profile[n], profile_kinds[kinds[i]].snapshot_values, keep, context);
    }
    program->changed = true;
}

void program_clear_threads(struct program *program, pid_t pid)
{
    const uint32_t gone = (uint32_t)pid;
    clear_threads(program, keep_other, &gone);
}

/* Not as soon as one ends: of a group that ends at once, the last is not to be shown alone. */
static void drop_gone(struct program *program)
{
    if (program->has_gone)
        clear_threads(program, keep_alive, program);
    program->has_gone = false;
}

const char *programs_thread_name(struct programs *programs, const char *name)
{
    static const char other[] = "[other threads]";
    bool is_known = text_map_find(&programs->threads, name);
    const char *text;

    if (!is_known && programs->threads.hashes.used >= PROGRAMS_THREAD_NAMES) {
        programs->threads_beyond++;
        return other;
    }
    text = symbols_intern(programs->symbols, name);
    if (!is_known && *text && !text_map_number(&programs->threads, text, NULL))
        return other;
    return text;
}

int program_enter(struct program *program, pid_t pid, int64_t since_ns)
{
    uintptr_t same = (uintptr_t)table_get(&program->pids, (uint32_t)pid);

    drop_gone(program);
    if (table_put(&program->pids, (uint32_t)pid, (void *)(same + 1)))
        return -ENOMEM;
    /* After a pause without a process, the interval begins with the new one. */
    if (!program->alive && !program->changed)
        program->interval_start_ns = since_ns;
    if (!program->processes || since_ns < program->start_ns)
        program->start_ns = since_ns;
    program->alive++;
    program->processes++;
    return 0;
}

void program_leave(struct program *program, pid_t pid, int64_t until_ns)
{
    int64_t now = monotonic_ns(), due = program->merged_done_ns + MERGED_GAP_NS;
    uintptr_t same = (uintptr_t)table_remove(&program->pids, (uint32_t)pid);

    if (same > 1)
        table_put(&program->pids, (uint32_t)pid,
                  (void *)(same - 1)); /* where it was a moment ago: there is room */
    program->alive -= same > 0;
    program->has_gone = true;
    if (program->end_ns < until_ns)
        program->end_ns = until_ns;
    program->due_ns = !program->merged_done_ns || due < now ? now : due;
}

/* NULL: no memory. Where all profiles together are full, known stacks are still told apart. */
static struct profile *profile_for(const struct programs *programs, struct profile **profile,
                                   size_t most_stacks, enum profile_kind_id kind)
{
    if (!*profile)
        *profile = profile_new(&profile_kinds[kind], most_stacks);
    if (*profile)
        profile_set_most(*profile, programs->samples < PROGRAMS_SAMPLES ? most_stacks : 0);
    return *profile;
}

static int add_sample(struct programs *programs, struct profile **where, size_t most_stacks,
                      enum profile_kind_id kind, const struct profile_sample *sample)
{
    struct profile *profile = profile_for(programs, where, most_stacks, kind);
    size_t before = profile ? profile_size(profile) : 0;
    int rc = profile ? profile_add_thread(profile, sample, programs->overflow) : -ENOMEM;

    if (profile)
        programs->samples += profile_size(profile) - before;
    return rc;
}

static int add_to(struct programs *programs, struct profile **profile, size_t most_stacks,
                  enum profile_kind_id kind, const struct stack *stack, pid_t pid, const char *thread,
                  const int64_t value[PROFILE_VALUES])
{
    struct profile_sample sample = {
        .pid = (uint32_t)pid, .frames = stack->frames, .thread = thread, .frame = stack->frame};

    memcpy(sample.value, value, sizeof sample.value);
    return add_sample(programs, profile, most_stacks, kind, &sample);
}

int program_add(struct programs *programs, struct program *program, unsigned parts, enum profile_kind_id kind,
                const struct stack *stack, pid_t pid, const char *thread, const int64_t value[PROFILE_VALUES])
{
    int64_t negated[PROFILE_VALUES];
    int rc = 0;

    program->changed = true;
    if (parts & PROGRAM_MERGED)
        rc = add_to(programs, &program->merged[kind], PROGRAM_STACKS, kind, stack, pid, thread, value);
    if (rc || !(parts & PROGRAM_INTERVAL))
        return rc;
    rc = add_to(programs, &program->interval[kind], PROGRAM_INTERVAL_STACKS, kind, stack, pid, thread, value);
    if (rc && parts & PROGRAM_MERGED) {
        for (int i = 0; i < PROFILE_VALUES; i++)
            negated[i] = -value[i];
        add_to(programs, &program->merged[kind], PROGRAM_STACKS, kind, stack, pid, thread, negated);
    }
    return rc;
}

int program_add_thread(struct programs *programs, struct program *program,
                       const struct profile_sample *sample)
{
    int rc = add_sample(programs, &program->merged[KIND_ID_THREADS], PROGRAM_STACKS, KIND_ID_THREADS, sample);

    program->changed = true;
    return rc ? rc
              : add_sample(programs, &program->interval[KIND_ID_THREADS], PROGRAM_INTERVAL_STACKS,
                           KIND_ID_THREADS, sample);
}

void program_clear_state(struct program *program, pid_t pid)
{
    for (int k = 0; k < KIND_IDS; k++) {
        if (program->interval[k])
            profile_clear(program->interval[k], profile_kinds[k].snapshot_values, (uint32_t)pid);
        if (program->merged[k])
            profile_clear(program->merged[k], profile_kinds[k].snapshot_values, (uint32_t)pid);
    }
    program->changed = true;
}

void program_count(struct program *program, enum counter counter, uint64_t n)
{
    program->interval_counts.counter[counter] += n;
    program->counts.counter[counter] += n;
}

void program_count_malformed(struct program *program)
{
    program->interval_counts.malformed++;
    program->counts.malformed++;
}

void program_count_own(struct program *program, uint64_t ns)
{
    program->interval_counts.own_ns += ns;
    program->counts.own_ns += ns;
}

/* A copy without samples whose values are all 0, which are of threads and blocks that are gone, and without
   the numbers of processes that ended. */
static struct profile *folded_copy(const struct program *program, const struct profile *old,
                                   const struct symbol_location *overflow)
{
    struct profile *folded = profile_new(profile_get_kind(old), PROGRAM_STACKS);
    const struct profile_sample *sample;
    size_t cursor = 0;

    if (folded)
        profile_add_overflowed(folded, profile_overflowed(old));
    while (folded && (sample = profile_next(old, &cursor))) {
        struct profile_sample copy = *sample;
        if (!is_alive(program, copy.pid)) {
            copy.pid = 0;
            copy.about = (struct profile_thread){0};
        }
        if (profile_add_thread(folded, &copy, overflow)) {
            profile_free(folded);
            return NULL;
        }
    }
    return folded;
}

static void fold(struct programs *programs, struct program *program, enum profile_kind_id kind)
{
    struct profile *old = program->merged[kind];
    struct profile *folded = old ? folded_copy(program, old, programs->overflow) : NULL;

    if (!folded)
        return;
    programs->samples -= profile_size(old) - profile_size(folded);
    program->merged[kind] = folded;
    profile_free(old);
}

static size_t count_samples(const struct programs *programs)
{
    size_t samples = 0;

    for (size_t i = 0; i < programs->count; i++)
        for (int k = 0; k < KIND_IDS; k++)
            samples += programs->program[i]->merged[k] ? profile_size(programs->program[i]->merged[k]) : 0;
    return samples;
}

/* Programs that are started again and again would fill their merged profiles with the same stacks of ever new
   processes: once all profiles together are large, processes that ended are told apart no longer. */
static void fold_if_large(struct programs *programs)
{
    if (count_samples(programs) < programs->fold_at)
        return;
    for (size_t i = 0; i < programs->count; i++)
        for (int k = 0; k < KIND_IDS; k++)
            fold(programs, programs->program[i], (enum profile_kind_id)k);
    programs->fold_at = count_samples(programs) * 3 / 2;
    if (programs->fold_at < PROGRAMS_FOLD_SAMPLES)
        programs->fold_at = PROGRAMS_FOLD_SAMPLES;
}

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

int64_t program_cpu_ns(const struct program *program)
{
    return program->merged[KIND_ID_CPU] ? profile_total(program->merged[KIND_ID_CPU], 1) : 0;
}

enum { COMMENTS = COUNTERS + 28, COMMENT_SIZE = 192 };
struct comments {
    const char *line[COMMENTS + 1];
    char text[COMMENTS][COMMENT_SIZE];
    unsigned count;
};

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

static void make_comments(struct comments *comments, const struct program *program, bool merged,
                          int64_t duration_ns)
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

static const struct profile *not_empty(const struct profile *profile)
{
    size_t cursor = 0;
    return profile && profile_next(profile, &cursor) ? profile : NULL;
}

static void interval_reset(struct program *program, int64_t end_ns)
{
    for (int k = 0; k < KIND_IDS; k++) {
        program->programs->samples -= program->interval[k] ? profile_size(program->interval[k]) : 0;
        profile_free(program->interval[k]);
        program->interval[k] = NULL;
    }
    memset(&program->interval_counts, 0, sizeof program->interval_counts);
    program->interval_start_ns = end_ns;
    program->interval_done_ns = monotonic_ns();
    program->changed = false;
}

/* What is written is scaled up already: each event counts as one, as in Go's profiles of these. */
static bool is_rate_of_events(int kind)
{
    return kind == KIND_ID_MUTEX || kind == KIND_ID_BLOCK;
}

void program_upload(struct program *program, struct sink *const *sinks, size_t count, unsigned parts)
{
    struct comments interval_comments, merged_comments;
    char path[UPLOAD_PATH] = "";
    struct upload upload = {
        .number = program->number,
        .id = &program->id,
        .path = path,
        .program = program->name,
        .service = program->service,
        .labels = program->labels,
        .start_ns = realtime_of(program->interval_start_ns),
        .session_start_ns = realtime_of(program->start_ns),
        .comments = interval_comments.line,
        .merged_comments = merged_comments.line,
        .final = !program->alive,
    };
    bool any = false;

    if (program->alive)
        drop_gone(program);
    if (program->alive || !program->end_ns)
        program->end_ns = monotonic_ns();
    upload.end_ns = upload.start_ns + program->end_ns - program->interval_start_ns;
    for (int k = 0; k < KIND_IDS; k++) {
        upload.interval[k] = parts & PROGRAM_INTERVAL ? not_empty(program->interval[k]) : NULL;
        upload.merged[k] = not_empty(program->merged[k]);
        upload.period[k] = is_rate_of_events(k) ? 1 : program->period[k];
        any |= upload.merged[k] != NULL;
    }
    make_comments(&interval_comments, program, false, program->end_ns - program->interval_start_ns);
    make_comments(&merged_comments, program, true, program->end_ns - program->start_ns);
    for (size_t i = 0; any && i < count; i++)
        sinks[i]->ops->take(sinks[i], &upload);
    if (*path && (!program->path || strcmp(path, program->path) != 0)) {
        free(program->path);
        program->path = strdup(path);
    }
    program->has_been |= any;
    program->merged_done_ns = monotonic_ns();
    if (parts & PROGRAM_INTERVAL)
        interval_reset(program, program->end_ns);
}

static int64_t upload_due(struct programs *programs, struct program *program, struct sink *const *sinks,
                          size_t count, int64_t now_ns)
{
    bool ended = !program->alive;
    bool whole =
        ended && (!program->interval_done_ns || now_ns - program->interval_done_ns >= INTERVAL_GAP_NS);

    if (!program->due_ns || now_ns < program->due_ns)
        return program->due_ns ? program->due_ns : INT64_MAX;
    brief_settle(programs, program);
    fold_if_large(programs);
    program_upload(program, sinks, count, whole ? PROGRAM_MERGED | PROGRAM_INTERVAL : PROGRAM_MERGED);
    program->due_ns = ended && !whole ? program->interval_done_ns + INTERVAL_GAP_NS : 0;
    return program->due_ns ? program->due_ns : INT64_MAX;
}

int64_t programs_upload_due(struct programs *programs, struct sink *const *sinks, size_t count,
                            int64_t now_ns)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < programs->count; i++) {
        int64_t due = upload_due(programs, programs->program[i], sinks, count, now_ns);
        next = due < next ? due : next;
    }
    return next;
}

void programs_upload_all(struct programs *programs, struct sink *const *sinks, size_t count)
{
    for (size_t i = 0; i < programs->count; i++) {
        struct program *program = programs->program[i];
        if (!program->changed && !program->due_ns)
            continue;
        brief_settle(programs, program);
        fold_if_large(programs);
        program_upload(program, sinks, count, PROGRAM_MERGED | PROGRAM_INTERVAL);
        program->due_ns = 0;
    }
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
