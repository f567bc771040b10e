/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/read/read.h"
#include "uploader/base/clock.h"

enum { COST_SHARE = 100 /* one in so many ns of a CPU */ };

void model_free(struct model *model)
{
    frame_free(&model->frame);
    frame_free(&model->before);
    tally_free(&model->tally);
    tally_free(&model->locks);
    threads_free(&model->threads);
}

void model_forget(struct model *model)
{
    enum view_id view = model->view;

    model_free(model);
    *model = (struct model){.view = view, .is_new = true};
    tally_reset(&model->tally, views[view].kind);
    tally_reset(&model->locks, KIND_ID_MUTEX);
    model->locks.by_caller = true;
}

void model_show(struct model *model, enum view_id view)
{
    if (views[view].kind != views[model->view].kind) {
        tally_reset(&model->tally, views[view].kind);
        model->is_new = true;
    }
    model->view = view;
}

/* ---- Asking ---- */

static bool states_are_due(const struct model *model, int64_t now_ns)
{
    return !model->states_ns || now_ns - model->states_ns >= COST_SHARE * model->states_cost_ns;
}

void model_want(struct model *model, int64_t now_ns, struct link_wanted *wanted)
{
    const uint32_t kind = 1u << views[model->view].kind;

    model->has_states = model->is_new || states_are_due(model, now_ns);
    wanted->kinds = kind | 1u << KIND_ID_MUTEX | (model->has_states ? 1u << KIND_ID_THREADS : 0);
    wanted->whole = model->is_new ? kind : 0;
    wanted->with_states = model->has_states;
    if (model->has_states)
        model->states_ns = now_ns;
}

int64_t model_interval(const struct model *model, int64_t interval_ns)
{
    int64_t least_ns = COST_SHARE * model->plain_cost_ns;
    return interval_ns > least_ns ? interval_ns : least_ns;
}

/* ---- Taking ---- */

/* A view of states that were not asked for stays as it was. */
static bool is_kept(const struct model *model)
{
    return view_is_state(model->view) && !model->has_states;
}

static void take_profile(struct model *model, const struct frame_part *part,
                         const struct read_profile *profile)
{
    const bool is_shown = part->kind == model->tally.kind && !(is_kept(model) && !part->is_whole);

    if (is_shown && (model->is_new || !part->is_whole))
        model->wrong += tally_add(&model->tally, part->program, profile, part->is_whole) != 0;
    if (part->kind == KIND_ID_MUTEX && !part->is_whole)
        model->wrong += tally_add(&model->locks, part->program, profile, false) != 0;
    if (part->kind == KIND_ID_THREADS && !part->is_whole)
        model->wrong += threads_add(&model->threads, &model->frame, part->program, profile) != 0;
}

static void take_part(struct model *model, const struct frame_part *part)
{
    const struct profile_kind *kind = &profile_kinds[part->kind];
    struct reading reading;

    reading_init(&reading);
    reading.kind = kind->name;
    if (reading_add_bytes(&reading, kind->name, part->data, part->size) || reading.profiles != 1 ||
        reading.profile[0]->types < kind->values)
        model->wrong++;
    else
        take_profile(model, part, reading.profile[0]);
    reading_free(&reading);
}

/* A frame tells what the one before it took. */
static void take_cost(struct model *model, int64_t cost_ns)
{
    if (!cost_ns)
        return;
    if (model->asked_states)
        model->states_cost_ns = cost_ns;
    else
        model->plain_cost_ns = cost_ns;
}

void model_take(struct model *model, struct frame *frame)
{
    frame_free(&model->before);
    model->before = model->frame;
    model->has_interval = model->has_frame;
    model->frame = *frame;
    model->has_frame = true;
    *frame = (struct frame){0};
    take_cost(model, model->frame.last_cost_ns);
    model->asked_states = model->has_states;
    if (!is_kept(model))
        tally_turn(&model->tally);
    tally_turn(&model->locks);
    if (model->has_states)
        threads_free(&model->threads);
    for (size_t i = 0; i < model->frame.parts; i++)
        take_part(model, &model->frame.part[i]);
    if (model->has_states)
        threads_sort(&model->threads);
    model->is_new = false;
}

/* ---- Figures ---- */

static double cpu_of(const struct model *model, const struct frame_program *program, double seconds)
{
    const struct frame_program *before = frame_find(&model->before, program->number);

    if (!model->has_interval || !seconds)
        return 0;
    return (double)(program->cpu_ns - (before ? before->cpu_ns : 0)) / 1e9 / seconds;
}

static double seconds_of(const struct model *model)
{
    return model->has_interval ? (double)(model->frame.end_ms - model->frame.start_ms) / 1e3 : 0;
}

static void add_program(const struct model *model, const struct frame_program *program, double *cost,
                        struct model_figures *figures)
{
    const struct frame_program *before = frame_find(&model->before, program->number);

    figures->cpu += cpu_of(model, program, figures->seconds);
    *cost += before && model->has_interval ? (double)(program->cost_ns - before->cost_ns) : 0;
    figures->resident += program->resident;
    figures->blocks += program->blocks;
    figures->objects += program->objects;
    for (int kind = 0; kind < KIND_IDS && figures->seconds > 0; kind++)
        for (int i = 0; i < PROFILE_VALUES; i++)
            figures->total[kind][i] += (double)program->total[kind][i] / figures->seconds;
}

void model_figures(const struct model *model, int program, struct model_figures *figures)
{
    double cost = 0;

    *figures = (struct model_figures){.seconds = seconds_of(model), .cost = -1};
    for (size_t i = 0; i < model->frame.programs; i++)
        if (program < 0 || model->frame.program[i].number == (unsigned)program)
            add_program(model, &model->frame.program[i], &cost, figures);
    for (size_t i = 0; i < model->frame.processes; i++) {
        const struct frame_process *process = &model->frame.process[i];
        if (program >= 0 && process->program != (unsigned)program)
            continue;
        figures->pid = figures->processes++ ? 0 : process->pid;
        figures->threads += process->threads;
    }
    for (size_t i = 0; i < model->frame.losses; i++)
        if (program < 0 || model->frame.loss[i].program == program)
            figures->lost += model->frame.loss[i].count;
    if (figures->seconds > 0) {
        figures->own_cpu =
            (double)(model->frame.own_cpu_ns - model->before.own_cpu_ns) / 1e9 / figures->seconds;
        if (figures->cpu > 0.001)
            figures->cost = cost / 1e9 / figures->seconds / figures->cpu;
    }
}

static int compare_programs(const void *one, const void *other)
{
    const struct model_program *a = one, *b = other;

    if ((a->program->alive > 0) != (b->program->alive > 0))
        return a->program->alive ? -1 : 1;
    if (a->cpu > b->cpu || a->cpu < b->cpu)
        return a->cpu > b->cpu ? -1 : 1;
    return a->program->number < b->program->number ? -1 : 1;
}

unsigned model_programs(const struct model *model, struct model_program programs[MODEL_PROGRAMS])
{
    unsigned count = 0;

    for (size_t i = 0; i < model->frame.programs && count < MODEL_PROGRAMS; i++)
        programs[count++] = (struct model_program){
            &model->frame.program[i], cpu_of(model, &model->frame.program[i], seconds_of(model))};
    qsort(programs, count, sizeof *programs, compare_programs);
    return count;
}
