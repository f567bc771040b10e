/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "counter_labels.h"
#include "parts.h"
#include "uploader/base/clock.h"

/* --- one value a program --- */

enum value_kind { VALUE_COUNT, VALUE_SECONDS };

/* Where a metric's value is in a row. */
struct figure {
    enum metric metric;
    enum value_kind kind;
    size_t offset;
    bool is_of_living; /* left out if no process lives */
};
#define AT(field) offsetof(struct metrics_row, field)

static const struct figure figures[] = {
    {METRIC_PROGRAM_CPU, VALUE_SECONDS, AT(cpu_ns), false},
    {METRIC_PROGRAM_THREADS, VALUE_COUNT, AT(resident.threads), true},
    {METRIC_PROGRAM_THREADS_STARTED, VALUE_COUNT, AT(counts.counter[COUNT_THREADS]), false},
    {METRIC_PROGRAM_PROCESSES, VALUE_COUNT, AT(alive), false},
    {METRIC_PROGRAM_PROCESSES_STARTED, VALUE_COUNT, AT(joined), false},
    {METRIC_RATES_LOWERED, VALUE_COUNT, AT(rates_lowered), false},
    {METRIC_CPU_PERIOD, VALUE_SECONDS, AT(rates.cpu_period_ns), true},
    {METRIC_MEMORY_PERIOD, VALUE_COUNT, AT(rates.memory_rate), true},
    {METRIC_BLOCK_PERIOD, VALUE_SECONDS, AT(rates.block_rate_ns), true},
    {METRIC_WALL_PERIOD, VALUE_SECONDS, AT(rates.wall_period_ns), true},
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

static uint64_t value_at(const struct metrics_row *row, size_t offset)
{
    uint64_t value;
    memcpy(&value, (const char *)row + offset, sizeof value);
    return value;
}

static void write_figure(struct metric_text *text, const struct metrics *metrics, const struct figure *figure)
{
    metric_begin(text, figure->metric);
    for (size_t i = 0; i < metrics->rows; i++) {
        const struct metrics_row *row = &metrics->row[i];
        const char *const label[] = {row->program, row->service};
        const uint64_t value = value_at(row, figure->offset);

        if (figure->is_of_living && (!row->alive || !value))
            continue;
        if (figure->kind == VALUE_SECONDS)
            metric_seconds(text, label, value);
        else
            metric_count(text, label, value);
    }
}

static uint64_t positive(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static double mutex_ratio(const struct metrics_row *row)
{
    return row->rates.mutex_fraction ? 1 / (double)row->rates.mutex_fraction : 0;
}

static double overhead(const struct metrics_row *row)
{
    return row->overhead;
}

static double overhead_limit(const struct metrics_row *row)
{
    return row->overhead_limit;
}

/* Of programs with a live process. is_shown_at_0: also if it is 0. */
static void write_ratio(struct metric_text *text, const struct metrics *metrics, enum metric metric,
                        double (*ratio)(const struct metrics_row *), bool is_shown_at_0)
{
    metric_begin(text, metric);
    for (size_t i = 0; i < metrics->rows; i++) {
        const char *const label[] = {metrics->row[i].program, metrics->row[i].service};
        const double value = ratio(&metrics->row[i]);
        if (metrics->row[i].alive && (is_shown_at_0 || value > 0))
            metric_ratio(text, label, value);
    }
}

/* --- what profiling takes --- */

static void write_costs(struct metric_text *text, const struct metrics *metrics)
{
    static const char *const parts[COSTS] = {
        [COST_CPU] = "cpu",     [COST_MEMORY] = "memory", [COST_MUTEX] = "mutex",
        [COST_BLOCK] = "block", [COST_WALL] = "wall",     [COST_READING] = "reading",
    };

    metric_begin(text, METRIC_OVERHEAD_CPU);
    for (size_t i = 0; i < metrics->rows; i++)
        for (int c = 0; c < COSTS; c++) {
            const char *const label[] = {metrics->row[i].program, metrics->row[i].service, parts[c]};
            metric_seconds(text, label, positive(metrics->row[i].cost_ns[c]));
        }
}

/* --- memory --- */

static void write_resident(struct metric_text *text, const struct metrics *metrics)
{
    metric_begin(text, METRIC_PROGRAM_RESIDENT);
    for (size_t i = 0; i < metrics->rows; i++) {
        const struct metrics_row *row = &metrics->row[i];
        const struct {
            const char *kind;
            int64_t bytes;
        } parts[] = {{"anonymous", row->resident.anonymous},
                     {"file", row->resident.file},
                     {"shared", row->resident.shared},
                     {"cprof", row->resident.own}};

        for (size_t k = 0; k < sizeof parts / sizeof parts[0] && row->resident.anonymous; k++) {
            const char *const label[] = {row->program, row->service, parts[k].kind};
            metric_count(text, label, positive(parts[k].bytes));
        }
    }
}

static void write_live(struct metric_text *text, const struct metrics *metrics, enum metric metric,
                       size_t offset)
{
    metric_begin(text, metric);
    for (size_t i = 0; i < metrics->rows; i++) {
        const struct metrics_row *row = &metrics->row[i];
        const char *const label[] = {row->program, row->service};
        if (row->recording[PROFILE_MEMORY] && row->resident.anonymous)
            metric_count(text, label, positive((int64_t)value_at(row, offset)));
    }
}

/* --- counters of the segment, by class --- */

static void write_class(struct metric_text *text, const struct metrics *metrics, enum metric metric,
                        enum counter_class class)
{
    char reason[COUNTER_LABEL];

    metric_begin(text, metric);
    for (size_t i = 0; i < metrics->rows; i++) {
        const struct metrics_row *row = &metrics->row[i];
        const char *const label[] = {row->program, row->service, reason};

        for (int c = 0; c < COUNTERS; c++) {
            if (counter_classes[c] != class)
                continue;
            counter_label((enum counter)c, reason);
            metric_count(text, label, row->counts.counter[c]);
        }
        if (class == CLASS_LOST) {
            strcpy(reason, "malformed");
            metric_count(text, label, row->counts.malformed);
        }
    }
}

static void write_recording(struct metric_text *text, const struct metrics *metrics)
{
#define X(id, name, ready) name,
    static const char *const profiles[] = {CPROF_PROFILES(X)};
#undef X

    metric_begin(text, METRIC_RECORDING);
    for (size_t i = 0; i < metrics->rows; i++)
        for (int p = 0; p < PROFILES; p++) {
            const char *const label[] = {metrics->row[i].program, metrics->row[i].service, profiles[p]};
            metric_count(text, label, metrics->row[i].recording[p]);
        }
}

void metrics_write_programs(struct metric_text *text, const struct metrics *metrics)
{
    for (size_t i = 0; i < FIGURES; i++)
        write_figure(text, metrics, &figures[i]);
    write_ratio(text, metrics, METRIC_MUTEX_RATIO, mutex_ratio, false);
    write_costs(text, metrics);
    write_ratio(text, metrics, METRIC_OVERHEAD, overhead, true);
    write_ratio(text, metrics, METRIC_OVERHEAD_LIMIT, overhead_limit, false);
    write_resident(text, metrics);
    write_live(text, metrics, METRIC_PROGRAM_HEAP, AT(resident.blocks));
    write_live(text, metrics, METRIC_PROGRAM_OBJECTS, AT(resident.objects));
    write_live(text, metrics, METRIC_PROGRAM_MAPPED, AT(resident.mapped));
    write_class(text, metrics, METRIC_SAMPLES, CLASS_TAKEN);
    write_class(text, metrics, METRIC_SAMPLES_LOST, CLASS_LOST);
    write_class(text, metrics, METRIC_MISSED, CLASS_MISSED);
    write_class(text, metrics, METRIC_STACKS_CUT, CLASS_CUT);
    write_recording(text, metrics);
}
