/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/significance/sampling.h"
#include "order.h"
#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/base/hash.h"

/* Functions with fewer looks can pass no level, so they are not among those that are compared. */
enum { LOOKS_LEAST = 9 };

/* One run's profile, and what its values are multiplied with. */
struct measured {
    const struct read_profile *profile;
    struct sampling sampling;
    unsigned type;
    double scale, total, look; /* look: what one look stands for, scaled */
    double variance;           /* of the total, if it is sampled */
    bool total_known;
};

bool is_state(const struct pairing *pairing)
{
    return !strncmp(pairing->type, "inuse_", 6) || !strcmp(pairing->kind, "threads");
}

static double seconds_of(const struct read_profile *profile)
{
    return (double)profile->duration_ns / (double)SECOND_NS;
}

double side_seconds(const struct side *side, unsigned which, const struct pairing *pairing)
{
    double sum = 0;

    for (size_t i = 0; i < side->runs; i++) {
        const struct read_profile *profile =
            run_profile(&side->run[i], pairing->program[which], pairing->kind, pairing->type);
        sum += profile ? seconds_of(profile) : 0;
    }
    return sum / (double)side->runs;
}

static double mean_total(const struct side *side, unsigned which, const struct pairing *pairing)
{
    (void)side;
    return pairing->size[which] / (double)side->runs;
}

static double scale_of(const struct compared *compared, const struct side side[2], double total,
                       double seconds)
{
    double wanted;

    switch (compared->normalize) {
    case NORMALIZE_TIME:
        return seconds > 0 ? 1 / seconds : 1;
    case NORMALIZE_TOTAL:
        wanted = mean_total(&side[0], 0, compared->pairing);
        return total > 0 ? wanted / total : 1;
    default:
        return 1;
    }
}

/* A run without such a profile has seen nothing. */
static struct measured measure_run(const struct compared *compared, const struct side side[2], unsigned which,
                                   size_t run)
{
    const struct pairing *pairing = compared->pairing;
    struct measured measured = {
        .profile = run_profile(&side[which].run[run], pairing->program[which], pairing->kind, pairing->type)};
    const struct read_profile *profile = measured.profile;
    double variance = 0;

    if (!profile)
        return measured;
    measured.type = (unsigned)read_profile_type(profile, pairing->type);
    measured.sampling = sampling_of(profile, measured.type);
    for (size_t i = 0; i < profile->samples; i++) {
        measured.total += (double)profile->value[i * profile->types + measured.type];
        variance += sampling_variance(&measured.sampling, &profile->value[i * profile->types]);
    }
    measured.scale = scale_of(compared, side, measured.total, seconds_of(profile));
    measured.total *= measured.scale;
    variance *= measured.scale * measured.scale;
    measured.look = measured.total > 0 ? variance / measured.total : 0;
    measured.total_known = measured.sampling.total_known || compared->normalize == NORMALIZE_TOTAL;
    measured.variance = measured.total_known ? 0 : variance;
    return measured;
}

static double variance_of(const struct measured *measured, double value, double variance)
{
    double share = measured->total > 0 ? value / measured->total : 0;

    if (measured->total_known)
        variance *= share < 1 ? 1 - share : 0;
    return variance;
}

static void start(struct compared *compared, const struct side side[2], const struct pairing *pairing,
                  enum normalize normalize)
{
    bool timed = side_seconds(&side[0], 0, pairing) > 0 && side_seconds(&side[1], 1, pairing) > 0;

    *compared = (struct compared){.pairing = pairing, .is_state = is_state(pairing)};
    compared->normalize =
        compared->is_state || (normalize == NORMALIZE_TIME && !timed) ? NORMALIZE_NONE : normalize;
    compared->named = comparison_make(side[0].runs, side[1].runs, !compared->is_state, LEVEL_NAMED);
}

static void add_total(struct compared *compared, unsigned which, size_t run, const struct measured *measured)
{
    compared->run_total[which][run] = measured->total;
    measure_add(&compared->total[which], measured->total,
                measured->variance + measured->look * measured->look);
}

static void judge_total(struct compared *compared)
{
    compared->change = change_of(&compared->named, &compared->total[0], &compared->total[1]);
    change_by_ranks(&compared->named, &compared->change, compared->run_total[0], compared->run_total[1]);
}

void compare_total(struct compared *compared, const struct side side[2], const struct pairing *pairing,
                   enum normalize normalize)
{
    start(compared, side, pairing, normalize);
    for (unsigned which = 0; which < 2; which++)
        for (size_t run = 0; run < side[which].runs; run++) {
            struct measured measured = measure_run(compared, side, which, run);
            add_total(compared, which, run, &measured);
        }
    judge_total(compared);
}

/* What one run adds to a function or a stack. */
struct sum {
    double own, own_variance, below, below_variance;
    uint32_t last; /* the number of the sample that was counted last, from 1 on: recursion counts once */
};

struct sums {
    struct sum *function, *stack;
    size_t stacks_room;
};

/* A walk from the leaf to the root. Returns a hash of its functions. */
static uint64_t walk_sample(struct sum *function, const struct read_profile *profile, const uint32_t *map,
                            size_t sample, double value, double variance)
{
    uint64_t hash = 1;

    for (uint32_t node = profile->sample[sample].node; node; node = profile->node[node].parent) {
        uint32_t number = map[profile->frame[profile->node[node].frame].function];
        struct sum *sum = &function[number];
        if (hash == 1) {
            sum->own += value;
            sum->own_variance += variance;
        }
        if (sum->last != (uint32_t)sample + 1) {
            sum->below += value;
            sum->below_variance += variance;
            sum->last = (uint32_t)sample + 1;
        }
        hash = hash_mix(hash, number + 2);
    }
    return hash;
}

static int add_stack(struct compared *compared, struct sums *sums, const struct measured *measured,
                     size_t sample, uint64_t hash, double value, double variance)
{
    uint32_t number;
    struct sum *grown;

    if (!measured->profile->sample[sample].node)
        return 0;
    if (align_stack(&compared->align, measured->profile, measured->profile->sample[sample].node, hash,
                    &number))
        return -ENOMEM;
    grown = array_reserve(sums->stack, &sums->stacks_room, number, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    sums->stack = grown;
    sums->stack[number].own += value;
    sums->stack[number].own_variance += variance;
    return 0;
}

static int sum_samples(struct compared *compared, struct sums *sums, const struct measured *measured,
                       const uint32_t *map)
{
    const struct read_profile *profile = measured->profile;
    int rc = 0;

    for (size_t i = 0; i < profile->samples && !rc; i++) {
        const int64_t *value = &profile->value[i * profile->types];
        double scaled = (double)value[measured->type] * measured->scale;
        double variance = sampling_variance(&measured->sampling, value) * measured->scale * measured->scale;
        uint64_t hash;
        if (scaled == 0)
            continue;
        hash = walk_sample(sums->function, profile, map, i, scaled, variance);
        rc = add_stack(compared, sums, measured, i, hash, scaled, variance);
    }
    return rc;
}

static int take_functions(struct compared *compared, const struct sum *sum, unsigned which,
                          const struct measured *measured)
{
    for (size_t i = 0; i < compared->align.functions; i++) {
        struct compared_function *grown =
            array_reserve(compared->function, &compared->functions_room, i, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        compared->function = grown;
        if (sum[i].own != 0)
            measure_add(&grown[i].own[which], sum[i].own,
                        variance_of(measured, sum[i].own, sum[i].own_variance));
        if (sum[i].below != 0)
            measure_add(&grown[i].cumulative[which], sum[i].below,
                        variance_of(measured, sum[i].below, sum[i].below_variance));
    }
    return 0;
}

static int take_stacks(struct compared *compared, const struct sums *sums, unsigned which,
                       const struct measured *measured)
{
    for (size_t i = 0; i < compared->align.stacks; i++) {
        struct compared_stack *grown =
            array_reserve(compared->stack, &compared->stacks_room, i, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        compared->stack = grown;
        if (i < sums->stacks_room && sums->stack[i].own != 0)
            measure_add(&grown[i].own[which], sums->stack[i].own,
                        variance_of(measured, sums->stack[i].own, sums->stack[i].own_variance));
    }
    return 0;
}

static int take_run(struct compared *compared, unsigned which, const struct measured *measured)
{
    struct sums sums = {.function = NULL};
    uint32_t *map;
    int rc = align_functions(&compared->align, measured->profile, &map);

    if (!rc && !(sums.function = calloc(compared->align.functions + 1, sizeof *sums.function)))
        rc = -ENOMEM;
    if (!rc)
        rc = sum_samples(compared, &sums, measured, map);
    if (!rc)
        rc = take_functions(compared, sums.function, which, measured);
    if (!rc)
        rc = take_stacks(compared, &sums, which, measured);
    free(map);
    free(sums.function);
    free(sums.stack);
    return rc;
}

/* One side. *looks: what one look stands for, squared, summed over the runs. */
static int take_side(struct compared *compared, const struct side side[2], unsigned which, double *looks)
{
    int rc = 0;

    for (size_t run = 0; run < side[which].runs && !rc; run++) {
        struct measured measured = measure_run(compared, side, which, run);
        add_total(compared, which, run, &measured);
        *looks += measured.look * measured.look;
        if (measured.profile)
            rc = take_run(compared, which, &measured);
    }
    return rc;
}

static void add_looks(struct measure measure[2], const double looks[2])
{
    measure[0].variance += looks[0];
    measure[1].variance += looks[1];
}

static bool is_nothing(const struct measure measure[2])
{
    return measure[0].squares == 0 && measure[1].squares == 0;
}

/* How many values of functions have enough looks to be compared: with what they call, and own. */
static size_t count_compared(const struct compared *compared, const double looks[2])
{
    double look =
        sqrt(fmax(looks[0] / (double)compared->named.runs[0], looks[1] / (double)compared->named.runs[1]));
    size_t count = 0;

    for (size_t i = 0; i < compared->align.functions; i++) {
        const struct compared_function *of = &compared->function[i];
        double own = of->own[0].sum + of->own[1].sum,
               cumulative = of->cumulative[0].sum + of->cumulative[1].sum;
        count += cumulative > LOOKS_LEAST * look;
        count += own > LOOKS_LEAST * look && own < cumulative; /* another value */
    }
    return count;
}

/* Of a function or a stack. */
static struct change change_of_part(const struct compared *compared, const struct comparison *comparison,
                                    const struct measure value[2])
{
    struct change change = change_of(comparison, &value[0], &value[1]);

    change_by_share(comparison, &change, value, compared->total);
    return change;
}

static void finish_functions(struct compared *compared, const double looks[2])
{
    size_t count = 0;

    for (size_t i = 0; i < compared->align.functions; i++) {
        struct compared_function function = compared->function[i];
        if (is_nothing(function.cumulative))
            continue;
        function.function = (uint32_t)i;
        add_looks(function.own, looks);
        add_looks(function.cumulative, looks);
        function.own_change = change_of_part(compared, &compared->listed, function.own);
        function.cumulative_change = change_of_part(compared, &compared->listed, function.cumulative);
        function.is_whole = function.own[0].squares == 0 && function.own[1].squares == 0 &&
                            function.cumulative[0].sum == compared->total[0].sum &&
                            function.cumulative[1].sum == compared->total[1].sum;
        compared->changed_functions +=
            function.own_change.significant || function.cumulative_change.significant;
        compared->function[count++] = function;
    }
    compared->functions = count;
    order_functions(compared->function, count);
}

static void finish_stacks(struct compared *compared, const double looks[2])
{
    size_t count = 0;

    for (size_t i = 0; i < compared->align.stacks; i++) {
        struct compared_stack stack = compared->stack[i];
        if (is_nothing(stack.own))
            continue;
        stack.stack = (uint32_t)i;
        add_looks(stack.own, looks);
        stack.change = change_of_part(compared, &compared->listed, stack.own);
        compared->changed_stacks += stack.change.significant;
        compared->stack[count++] = stack;
    }
    compared->stacks = count;
    order_stacks(compared->stack, count);
}

static void finish(struct compared *compared, const double looks[2])
{
    compared->level = level_of_list(count_compared(compared, looks));
    compared->listed = comparison_make(compared->named.runs[0], compared->named.runs[1],
                                       compared->named.one_run_scatter, compared->level);
    judge_total(compared);
    finish_functions(compared, looks);
    finish_stacks(compared, looks);
}

int compare_all(struct compared *compared, const struct side side[2], const struct pairing *pairing,
                enum normalize normalize)
{
    double looks[2] = {0, 0};
    int rc;

    start(compared, side, pairing, normalize);
    rc = take_side(compared, side, 0, &looks[0]);
    if (!rc)
        rc = take_side(compared, side, 1, &looks[1]);
    if (!rc)
        finish(compared, looks);
    return rc;
}

/* What the run's samples with this function in their stacks have. */
static double value_in_run(const struct measured *measured, const char *name)
{
    const struct read_profile *profile = measured->profile;
    double value = 0;

    for (size_t i = 0; profile && i < profile->samples; i++)
        for (uint32_t node = profile->sample[i].node; node; node = profile->node[node].parent) {
            const struct read_frame *frame = &profile->frame[profile->node[node].frame];
            if (strcmp(profile->function[frame->function].name, name) != 0)
                continue;
            value += (double)profile->value[i * profile->types + measured->type] * measured->scale;
            break;
        }
    return value;
}

struct change compare_named(const struct compared *compared, const struct side side[2],
                            const struct compared_function *function)
{
    const char *name = compared->align.function[function->function].name;
    struct change change = change_of_part(compared, &compared->named, function->cumulative);
    double value[2][SIDE_RUNS];

    for (unsigned which = 0; which < 2; which++)
        for (size_t run = 0; run < side[which].runs; run++) {
            struct measured measured = measure_run(compared, side, which, run);
            value[which][run] = value_in_run(&measured, name);
        }
    change_by_ranks(&compared->named, &change, value[0], value[1]);
    return change;
}

void compared_free(struct compared *compared)
{
    align_free(&compared->align);
    free(compared->function);
    free(compared->stack);
    *compared = (struct compared){.pairing = NULL};
}

const char *compared_unit_end(const struct compared *compared)
{
    return compared->normalize == NORMALIZE_TIME ? "/s" : "";
}

/* "f(int)" is called "f", too. */
static bool is_called(const char *function, const char *name)
{
    size_t length = strlen(name);

    return !strcmp(function, name) ||
           (!strncmp(function, name, length) && function[length] == '(' && function[0] != '[');
}

const struct compared_function *compared_find(const struct compared *compared, const char *name,
                                              size_t *found)
{
    const struct compared_function *last = NULL;

    *found = 0;
    for (size_t i = 0; i < compared->functions; i++) {
        const struct compared_function *function = &compared->function[i];
        const char *called = compared->align.function[function->function].name;
        if (!strcmp(called, name)) {
            *found = 1;
            return function;
        }
        if (is_called(called, name)) {
            last = function;
            ++*found;
        }
    }
    return *found == 1 ? last : NULL;
}
