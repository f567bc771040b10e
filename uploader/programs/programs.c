/* SPDX-License-Identifier: Apache-2.0 */
#include "programs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "uploader/base/clock.h"
#include "uploader/encoding/utf8.h"
#include "uploader/options/log.h"

#define MERGED_GAP_NS SECOND_NS

void programs_add_sink(struct programs *programs, struct sink *sink)
{
    if (sink)
        programs->sink[programs->sinks++] = sink;
}

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
    short_lived_free(program->short_lived);
    hash_free(&program->pids);
    process_facts_free(&program->facts);
    free(program->id_bytes);
    free(program->id_text);
    free(program->path);
    free(program);
}

void programs_free(struct programs *programs)
{
    text_ids_free(&programs->ids);
    text_ids_free(&programs->threads);
    label_sets_free(&programs->label_sets);
    for (size_t i = 0; i < programs->count; i++)
        program_free(programs->program[i]);
    free(programs->program);
}

/* Copies the id's texts, one behind the other. */
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

/* Its id has no service. Every other program has one. */
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
    number = text_ids_find(&programs->ids, text);
    if (number)
        return programs->program[number - 1];
    if (programs->count >= PROGRAMS_MOST)
        return programs_get_other(programs);
    program = program_new(programs, &id);
    if (!program)
        return NULL;
    program->id_text = strdup(text);
    if (program->id_text && text_ids_get(&programs->ids, program->id_text, NULL))
        return program;
    program_free(programs->program[--programs->count]);
    return NULL;
}

static bool is_alive(const struct program *program, uint32_t pid)
{
    return hash_get(&program->pids, pid) != NULL;
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

void program_drop_ended_threads(struct program *program)
{
    if (program->has_gone)
        clear_threads(program, keep_alive, program);
    program->has_gone = false;
}

const char *programs_thread_name(struct programs *programs, const char *name)
{
    static const char other[] = "[other threads]";
    bool is_known = text_ids_find(&programs->threads, name);
    const char *text;

    if (!is_known && programs->threads.ids.used >= PROGRAMS_THREAD_NAMES) {
        programs->threads_beyond++;
        return other;
    }
    text = symbols_intern(programs->symbols, name);
    if (!is_known && *text && !text_ids_get(&programs->threads, text, NULL))
        return other;
    return text;
}

int program_enter(struct program *program, pid_t pid, int64_t since_ns)
{
    uintptr_t same = (uintptr_t)hash_get(&program->pids, (uint32_t)pid);

    program_drop_ended_threads(program);
    if (hash_put(&program->pids, (uint32_t)pid, (void *)(same + 1)))
        return -ENOMEM;
    /* If no process ran for a while, the interval begins with the new one. */
    if (!program->alive && !program->changed)
        program->interval_start_ns = since_ns;
    if (!program->alive)
        program->resident = (struct resident){0};
    if (!program->processes || since_ns < program->start_ns)
        program->start_ns = since_ns;
    program->alive++;
    program->processes++;
    return 0;
}

void program_leave(struct program *program, pid_t pid, int64_t until_ns)
{
    int64_t now = monotonic_ns(), due = program->merged_done_ns + MERGED_GAP_NS;
    uintptr_t same = (uintptr_t)hash_take(&program->pids, (uint32_t)pid);

    if (same > 1)
        hash_put(&program->pids, (uint32_t)pid,
                 (void *)(same - 1)); /* where it was a moment ago: there is room */
    program->alive -= same > 0;
    program->has_gone = true;
    if (program->end_ns < until_ns)
        program->end_ns = until_ns;
    program->due_ns = !program->merged_done_ns || due < now ? now : due;
}

/* NULL: no memory. If all profiles together are full, known stacks are still told apart. */
static struct profile *profile_for(const struct programs *programs, struct profile **profile,
                                   size_t most_stacks, enum profile_kind_id kind)
{
    if (!*profile)
        *profile = profile_new(&profile_kinds[kind], most_stacks);
    if (*profile)
        profile_set_most(*profile, programs->samples < PROGRAMS_SAMPLES ? most_stacks : 0);
    return *profile;
}

static int add_to(struct program *program, struct profile **where, size_t most_stacks,
                  enum profile_kind_id kind, const struct profile_sample *sample)
{
    struct programs *programs = program->programs;
    struct profile *profile = profile_for(programs, where, most_stacks, kind);
    size_t before = profile ? profile_size(profile) : 0;
    int rc = profile ? profile_add_thread(profile, sample, programs->overflow) : -ENOMEM;

    if (profile)
        programs->samples += profile_size(profile) - before;
    return rc;
}

struct profile_sample program_sample(const struct stack *stack, pid_t pid, const char *thread)
{
    return (struct profile_sample){
        .pid = (uint32_t)pid, .frames = stack->frames, .thread = thread, .frame = stack->frame};
}

int program_add(struct program *program, unsigned parts, enum profile_kind_id kind,
                const struct profile_sample *sample)
{
    struct profile_sample negated = *sample;
    int rc = 0;

    program->changed = true;
    negated.trace = NULL; /* of traces there are ever new ones */
    if (parts & PROGRAM_MERGED)
        rc = add_to(program, &program->merged[kind], PROGRAM_STACKS, kind, &negated);
    if (rc || !(parts & PROGRAM_INTERVAL))
        return rc;
    rc = add_to(program, &program->interval[kind], PROGRAM_INTERVAL_STACKS, kind, sample);
    for (struct tap *tap = rc ? NULL : program->programs->taps; tap; tap = tap->next)
        tap->add(tap, program, kind, sample);
    if (rc && parts & PROGRAM_MERGED) {
        for (int i = 0; i < PROFILE_VALUES; i++)
            negated.value[i] = -sample->value[i];
        add_to(program, &program->merged[kind], PROGRAM_STACKS, kind, &negated);
    }
    return rc;
}

void program_add_time(struct program *program, unsigned parts, const struct profile_sample *sample,
                      uint32_t profiles)
{
    if (profiles >> PROFILE_WALL & 1)
        program_add(program, parts, KIND_ID_WALL, sample);
    if (profiles >> PROFILE_OFF_CPU & 1)
        program_add(program, parts, KIND_ID_OFF_CPU, sample);
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

void program_change_resident(struct program *program, const struct resident *before,
                             const struct resident *now)
{
    program->resident.anonymous += now->anonymous - before->anonymous;
    program->resident.file += now->file - before->file;
    program->resident.shared += now->shared - before->shared;
    program->resident.own += now->own - before->own;
    program->resident.blocks += now->blocks - before->blocks;
    program->resident.mapped += now->mapped - before->mapped;
    program->resident.objects += now->objects - before->objects;
    program->resident.threads += now->threads - before->threads;
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

void program_count_own(struct program *program, enum cost cost, uint64_t ns)
{
    program->budget.costs.ns[cost] += (int64_t)ns;
    program->interval_counts.own_ns += ns;
    program->counts.own_ns += ns;
}

void program_count_cpu(struct program *program, uint64_t ns)
{
    if (__builtin_add_overflow(program->cpu_ns, ns, &program->cpu_ns)) /* a hostile segment says so */
        program->cpu_ns = UINT64_MAX;
}

/* A copy without the pids of processes that ended. It also leaves out samples whose values are all 0, of
   threads and blocks that are gone. */
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

void programs_fold_if_large(struct programs *programs)
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

void programs_renamed(struct programs *programs)
{
    for (size_t i = 0; i < programs->count; i++)
        programs->program[i]->changed = true;
}

int64_t program_cpu_ns(const struct program *program)
{
    return program->merged[KIND_ID_CPU] ? profile_total(program->merged[KIND_ID_CPU], 1) : 0;
}
