/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <stdlib.h>

#include "uploader/target/process/rates.h"

static unsigned find_row(struct metrics *metrics, const struct program *program)
{
    struct metrics_row *row = metrics->row;

    for (size_t i = 0; i < metrics->rows; i++)
        if (row[i].program == program->name && row[i].service == program->service)
            return (unsigned)i;
    if (metrics->rows < METRICS_PROGRAMS) {
        row[metrics->rows].program = program->name;
        row[metrics->rows].service = program->service;
        return (unsigned)metrics->rows++;
    }
    metrics->rows = METRICS_PROGRAMS + 1;
    row[METRICS_PROGRAMS].program = row[METRICS_PROGRAMS].service = "[other programs]";
    return METRICS_PROGRAMS;
}

static void add_resident(struct resident *sum, const struct resident *resident)
{
    sum->anonymous += resident->anonymous;
    sum->file += resident->file;
    sum->shared += resident->shared;
    sum->own += resident->own;
    sum->blocks += resident->blocks;
    sum->mapped += resident->mapped;
    sum->objects += resident->objects;
    sum->threads += resident->threads;
}

static void add_budget(struct metrics_row *row, const struct budget *budget, bool is_alive)
{
    const double limit = budget->limit_ppm / 1e6;

    for (int i = 0; i < COSTS; i++)
        row->cost_ns[i] += budget->costs.ns[i];
    row->rates_lowered += budget->changes;
    if (is_alive && budget->share > row->overhead)
        row->overhead = budget->share;
    if (is_alive && limit > row->overhead_limit)
        row->overhead_limit = limit;
}

static void add_program(struct metrics_row *row, const struct program *program)
{
    for (int i = 0; i < COUNTERS; i++)
        row->counts.counter[i] += program->counts.counter[i];
    row->counts.malformed += program->counts.malformed;
    row->cpu_ns += program->cpu_ns;
    row->joined += program->processes;
    row->alive += program->alive;
    add_budget(row, &program->budget, program->alive);
    if (program->alive)
        add_resident(&row->resident, &program->resident);
}

struct metrics *metrics_new(const struct programs *programs)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);

    if (!metrics)
        return NULL;
    metrics->programs = programs;
    metrics->row_of = calloc(programs->count + 1, sizeof *metrics->row_of);
    if (!metrics->row_of) {
        free(metrics);
        return NULL;
    }
    for (size_t i = 0; i < programs->count; i++) {
        metrics->row_of[i] = find_row(metrics, programs->program[i]);
        add_program(&metrics->row[metrics->row_of[i]], programs->program[i]);
    }
    return metrics;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics)
        free(metrics->row_of);
    free(metrics);
}

static void take_most(uint64_t *most, uint64_t value)
{
    if (value > *most)
        *most = value;
}

void metrics_add_target(struct metrics *metrics, const struct target *target)
{
    struct metrics_row *row = &metrics->row[metrics->row_of[target->program->number]];
    struct rates rates;

    target_rates_in_force(target, &rates);
    for (int i = 0; i < PROFILES; i++)
        row->recording[i] += rates.profiles >> i & 1;
    if (rates.profiles >> PROFILE_CPU & 1)
        take_most(&row->rates.cpu_period_ns, rates.cpu_period_ns);
    if (rates.profiles >> PROFILE_MEMORY & 1)
        take_most(&row->rates.memory_rate, rates.memory_rate);
    if (rates.profiles >> PROFILE_MUTEX & 1)
        take_most(&row->rates.mutex_fraction, rates.mutex_fraction);
    if (rates.profiles >> PROFILE_BLOCK & 1)
        take_most(&row->rates.block_rate_ns, rates.block_rate_ns);
    if (rates.profiles & TARGET_THREAD_PROFILES)
        take_most(&row->rates.wall_period_ns, rates.wall_period_ns);
}
