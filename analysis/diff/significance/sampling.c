/* SPDX-License-Identifier: Apache-2.0 */
#include "sampling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A smaller common divisor may be chance. Nanoseconds: a million looks a second. */
enum { DIVISOR_LEAST = 1000 };

static bool is_memory(const char *type, const char *end)
{
    return (!strncmp(type, "alloc_", 6) && !strcmp(type + 6, end)) ||
           (!strncmp(type, "inuse_", 6) && !strcmp(type + 6, end)) || !strcmp(type, end);
}

/* "inuse_space" of "inuse_objects", and the reverse. */
static int other_of_memory(const struct read_profile *profile, const char *type, const char *end)
{
    size_t same = strchr(type, '_') ? (size_t)(strchr(type, '_') - type) + 1 : 0;

    for (unsigned i = 0; i < profile->types; i++)
        if (!strncmp(profile->type[i].type, type, same) && !strcmp(profile->type[i].type + same, end))
            return (int)i;
    return -1;
}

static int first_count(const struct read_profile *profile)
{
    for (unsigned i = 0; i < profile->types; i++)
        if (!strcmp(profile->type[i].unit, "count"))
            return (int)i;
    return -1;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* No look stands for more than the smallest value, nor, if all values are multiples of something, for more than that.
   Pyroscope, for one, gives a period that is not the recorder's. */
static double period_of(const struct read_profile *profile, unsigned type)
{
    bool fits = profile->period > 0 && !strcmp(profile->period_type.unit, profile->type[type].unit);
    uint64_t period = fits ? (uint64_t)profile->period : UINT64_MAX, divisor = 0;

    for (size_t i = 0; i < profile->samples; i++) {
        int64_t value = profile->value[i * profile->types + type];
        if (value <= 0)
            continue;
        divisor = common_divisor((uint64_t)value, divisor);
        if ((uint64_t)value < period)
            period = (uint64_t)value;
    }
    if (divisor >= DIVISOR_LEAST && divisor < period)
        period = divisor;
    return period < UINT64_MAX ? (double)period : 0;
}

/* The number that this comment begins with; 0: there is none. */
static double comment_number(const struct read_profile *profile, const char *text)
{
    for (size_t i = 0; i < profile->comments; i++) {
        char *end;
        double number = strtod(profile->comment[i], &end);
        if (end != profile->comment[i] && !strncmp(end, text, strlen(text)))
            return number;
    }
    return 0;
}

/* On a busy machine a sample may stand for several periods of its thread's timer, as its comments say. Runs of periods that
   end by chance (geometric) with the mean m have the variance 2 m - 1 per look. */
static double clumping_of(const struct read_profile *profile)
{
    double samples = comment_number(profile, " CPU samples taken"),
           more = comment_number(profile, " CPU timer periods that were counted with a later sample");

    return samples > 0 && !strcmp(profile->kind, "cpu") ? 1 + 2 * more / samples : 1;
}

struct sampling sampling_of(const struct read_profile *profile, unsigned type)
{
    const struct read_type *of = &profile->type[type];
    struct sampling sampling = {.type = type, .other = -1, .period = (double)profile->period};
    bool is_count = !strcmp(of->unit, "count");

    if (!strcmp(profile->kind, "threads") || !strcmp(profile->kind, "threadcreate"))
        sampling.total_known = true;
    else if (is_memory(of->type, "space")) {
        sampling.rule = SAMPLING_BYTES;
        sampling.other = other_of_memory(profile, of->type, "objects");
    } else if (is_memory(of->type, "objects")) {
        sampling.rule = SAMPLING_BLOCKS;
        sampling.other = other_of_memory(profile, of->type, "space");
    } else if (!strcmp(of->type, "delay")) {
        sampling.rule = SAMPLING_WAITS;
        sampling.other = first_count(profile);
    } else if (is_count) {
        sampling.rule = SAMPLING_COUNT;
        sampling.total_known = !strcmp(of->type, "samples");
    } else {
        sampling.rule = SAMPLING_LOOKS;
        sampling.other = first_count(profile);
        sampling.total_known = !strcmp(of->unit, "nanoseconds");
        sampling.period = period_of(profile, type);
        sampling.clumping = clumping_of(profile);
    }
    return sampling;
}

/* The variance of a number of blocks, which is not sampled if a block is far larger than the period. */
static double of_blocks(double blocks, double bytes, double period)
{
    double seen = blocks > 0 && period > 0 ? -expm1(-bytes / blocks / period) : 1;

    return seen > 0 ? blocks * (1 - seen) / seen : 0;
}

double sampling_variance(const struct sampling *sampling, const int64_t *value)
{
    double own = fabs((double)value[sampling->type]);
    double other = sampling->other >= 0 ? fabs((double)value[sampling->other]) : 0;

    switch (sampling->rule) {
    case SAMPLING_LOOKS:
        return (other > 0 ? own * own / other : own * sampling->period) * sampling->clumping;
    case SAMPLING_BYTES:
        if (!(other > 0))
            return own * sampling->period;
        return own / other * (own / other) * of_blocks(other, own, sampling->period);
    case SAMPLING_BLOCKS:
        return other > 0 ? of_blocks(own, other, sampling->period) : own;
    case SAMPLING_WAITS:
        return other > 0 ? 2 * own * own / other : 2 * own * own;
    case SAMPLING_COUNT:
        return own;
    default:
        return 0;
    }
}
