/* SPDX-License-Identifier: Apache-2.0 */
#include "collect.h"

#include <stdlib.h>

#include "uploader/base/clock.h"

enum { DELTAS_SAMPLES = 100000 /* of all that run: 40 MiB */, LIST_FRAMES = 4096 };

static int64_t period_of(const struct program *program, enum profile_kind_id kind)
{
    return kind == KIND_ID_MUTEX || kind == KIND_ID_BLOCK ? 1 : program->period[kind];
}

/* ---- As it is now ---- */

static bool add_program(struct profile *into, const struct programs *programs, const struct profile *from,
                        uint32_t pid)
{
    const struct profile_sample *sample;

    for (size_t cursor = 0; from && (sample = profile_next(from, &cursor));)
        if ((!pid || sample->pid == pid) && profile_add_thread(into, sample, programs->overflow))
            return false;
    return true;
}

/* The merged profile of the only program is taken as it is. */
bool collect_now(const struct programs *programs, const struct selection *selection,
                 enum profile_kind_id kind, struct collected *collected)
{
    struct program *first;
    unsigned count = selection_count(selection, programs, &first);

    *collected = (struct collected){.period = first ? period_of(first, kind) : 1};
    if (count == 1)
        collected->program = first;
    if (first && count == 1 && !selection->pid && first->merged[kind]) {
        collected->profile = first->merged[kind];
        return true;
    }
    collected->profile = collected->own = profile_new(&profile_kinds[kind], PROGRAM_STACKS);
    for (size_t i = 0; collected->own && i < programs->count; i++) {
        const struct program *program = programs->program[i];
        if (selection_has(selection, program) &&
            !add_program(collected->own, programs, program->merged[kind], selection->pid)) {
            collected_free(collected);
            return false;
        }
    }
    return collected->own;
}

void collected_free(struct collected *collected)
{
    profile_free(collected->own);
    *collected = (struct collected){0};
}

/* ---- Of the next seconds ---- */

/* Adds the values in mask, sign times, as far as they are of the selection. */
static int add_values(struct profile *into, const struct programs *programs,
                      const struct profile_sample *from, unsigned mask, int sign)
{
    struct profile_sample copy = *from;
    bool any = false;

    for (unsigned i = 0; i < PROFILE_VALUES; i++) {
        copy.value[i] = mask >> i & 1 ? sign * copy.value[i] : 0;
        any |= copy.value[i] != 0;
    }
    return any ? profile_add_thread(into, &copy, programs->overflow) : 0;
}

/* Beyond the ceiling, only stacks that are known already are told apart. */
static void bound(struct delta *delta)
{
    struct deltas *deltas = delta->deltas;
    size_t samples = profile_size(delta->sums) + (delta->states ? profile_size(delta->states) : 0);

    deltas->samples += samples - delta->samples;
    delta->samples = samples;
    profile_set_most(delta->sums, deltas->samples < DELTAS_SAMPLES ? PROGRAM_INTERVAL_STACKS : 0);
}

static void receive(struct tap *tap, const struct program *program, enum profile_kind_id kind,
                    const struct profile_sample *sample)
{
    struct delta *delta = (struct delta *)tap;

    if (kind != delta->kind || (delta->selection.pid && sample->pid != delta->selection.pid) ||
        !selection_has(&delta->selection, program))
        return;
    add_values(delta->sums, program->programs, sample, ~profile_kinds[kind].snapshot_values, 1);
    bound(delta);
}

/* Processes and threads are not told apart: one that ends leaves what it has to no number at all. */
static bool add_states(struct profile *into, const struct delta *delta, int sign)
{
    const struct programs *programs = delta->deltas->programs;
    const unsigned mask = profile_kinds[delta->kind].snapshot_values;

    for (size_t i = 0; mask && i < programs->count; i++) {
        const struct program *program = programs->program[i];
        const struct profile *from = program->merged[delta->kind];
        const struct profile_sample *sample;
        if (!from || !selection_has(&delta->selection, program))
            continue;
        for (size_t cursor = 0; (sample = profile_next(from, &cursor));) {
            struct profile_sample copy = *sample;
            copy.pid = 0;
            copy.thread = "";
            copy.about = (struct profile_thread){0};
            if ((!delta->selection.pid || sample->pid == delta->selection.pid) &&
                add_values(into, programs, &copy, mask, sign))
                return false;
        }
    }
    return true;
}

struct delta *delta_begin(struct deltas *deltas, const struct selection *selection, enum profile_kind_id kind)
{
    struct delta *delta = deltas->samples < DELTAS_SAMPLES ? calloc(1, sizeof *delta) : NULL;
    const bool has_states = profile_kinds[kind].snapshot_values;

    if (!delta)
        return NULL;
    delta->deltas = deltas;
    delta->selection = *selection;
    delta->kind = kind;
    delta->start_ns = monotonic_ns();
    delta->tap.add = receive;
    tap_open(deltas->programs, &delta->tap);
    delta->sums = profile_new(&profile_kinds[kind], PROGRAM_INTERVAL_STACKS);
    delta->states = has_states ? profile_new(&profile_kinds[kind], PROGRAM_STACKS) : NULL;
    if (delta->sums && (!has_states || (delta->states && add_states(delta->states, delta, -1)))) {
        bound(delta);
        return delta;
    }
    delta_free(delta);
    return NULL;
}

bool delta_end(struct delta *delta, struct collected *collected)
{
    const struct programs *programs = delta->deltas->programs;
    struct program *first;
    unsigned count = selection_count(&delta->selection, programs, &first);

    *collected =
        (struct collected){.profile = delta->sums, .period = first ? period_of(first, delta->kind) : 1};
    collected->program = count == 1 ? first : NULL;
    if (!delta->states)
        return true;
    /* What came and went, and what is as it was, has become 0 and is no sample. */
    return add_states(delta->states, delta, 1) &&
           !profile_merge(delta->sums, delta->states, programs->overflow);
}

void delta_free(struct delta *delta)
{
    tap_close(&delta->tap);
    delta->deltas->samples -= delta->samples;
    profile_free(delta->sums);
    profile_free(delta->states);
    free(delta);
}
