/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap holds, whether it grows, and where that was allocated. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/read/read.h"
#include "explain_parts.h"
#include "own_code.h"

enum {
    SHOWN = 3,
    POINTS_LEAST = 3,
    CERTAIN = 3,
    LIKELY = 2 /* standard errors */,
    STEADY_LEAST = 5,
    STEADY_ERRORS = 13,
    FEW_SAMPLES = 10
};

/* The live heap at one moment. */
struct point {
    int64_t end_ms, bytes;
    const char *path;
};

struct growth {
    struct point *point;
    size_t points;
    double period; /* bytes that a sample stands for */
    bool is_growing;
};

/* Each sample stands for about a period, and how many there are varies as chance has it. This is as if the heap were another
   one at each moment; what stays in it is the same samples, so a growth that is steady is certain earlier. */
static double noise(const struct growth *growth, int64_t a, int64_t b)
{
    return sqrt(((double)a + (double)b) * growth->period);
}

/* How steady the slope of all points from this one on is: its size in standard errors, or 0 if there are too few. */
static double steadiness(const struct growth *growth, size_t first)
{
    const double count = (double)(growth->points - first);
    double time = 0, bytes = 0, both = 0, squares = 0, rest = 0, slope;

    if (count < STEADY_LEAST)
        return 0;
    for (size_t i = first; i < growth->points; i++) {
        time += (double)(growth->point[i].end_ms - growth->point[first].end_ms) / count;
        bytes += (double)growth->point[i].bytes / count;
    }
    for (size_t i = first; i < growth->points; i++) {
        double at = (double)(growth->point[i].end_ms - growth->point[first].end_ms) - time;
        both += at * ((double)growth->point[i].bytes - bytes);
        squares += at * at;
    }
    slope = squares > 0 ? both / squares : 0;
    for (size_t i = first; i < growth->points; i++) {
        double at = (double)(growth->point[i].end_ms - growth->point[first].end_ms) - time;
        double off = (double)growth->point[i].bytes - bytes - slope * at;
        rest += off * off;
    }
    return rest > 0 ? slope / sqrt(rest / (count - 2) / squares) : slope > 0 ? INFINITY : 0;
}

/* Beyond chance: by size alone, or by a good part of that and a slope that is as steady as it never is by chance. */
static bool is_certain(const struct growth *growth, const struct point *from, const struct point *to)
{
    double size = fabs((double)to->bytes - (double)from->bytes) / noise(growth, from->bytes, to->bytes);

    return size >= CERTAIN ||
           (size >= LIKELY && steadiness(growth, (size_t)(from - growth->point)) >= STEADY_ERRORS);
}

static int read_points(struct explanation *explanation, struct growth *growth)
{
    const struct read_profile *memory = explanation->memory;

    growth->point = calloc(memory->intervals + 1, sizeof *growth->point);
    growth->period = memory->period > 0 ? (double)memory->period : 1;
    if (!growth->point)
        return -ENOMEM;
    for (size_t i = 0; i < memory->intervals; i++) {
        struct reading part;
        struct point point = {.path = memory->interval[i].path};
        reading_init(&part);
        if (!reading_add(&part, point.path) && part.profiles &&
            read_profile_type(part.profile[0], "inuse_space") >= 0) {
            point.bytes = read_profile_total(part.profile[0],
                                             (unsigned)read_profile_type(part.profile[0], "inuse_space"));
            point.end_ms = memory->interval[i].start_ms + part.profile[0]->duration_ns / 1000000;
            growth->point[growth->points++] = point;
        }
        reading_free(&part);
    }
    return 0;
}

/* Bytes of each of the program's own functions, and of the rest, by the name's address in names. */
static int64_t bytes_of(const struct read_profile *profile, unsigned type, const char *name)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < profile->samples; i++) {
        uint32_t function = own_allocating(profile, profile->sample[i].node);
        if (function != OWN_NONE && !strcmp(profile->function[function].name, name))
            bytes += profile->value[i * profile->types + type];
    }
    return bytes;
}

/* The functions that hold more at the later moment than at the earlier one, at most `most`. */
static int say_growers(struct explanation *explanation, const struct point *from, const struct point *to)
{
    struct reading early, late;
    struct costs own = {0}, grown = {.total = to->bytes - from->bytes};
    int64_t *weight = NULL;
    char share[SAY_NUMBER];
    int rc = 0;

    reading_init(&early);
    reading_init(&late);
    if (!reading_add(&early, from->path) && !reading_add(&late, to->path) && early.profiles &&
        late.profiles) {
        const struct read_profile *a = early.profile[0], *b = late.profile[0];
        const unsigned type_a = (unsigned)read_profile_type(a, "inuse_space"),
                       type_b = (unsigned)read_profile_type(b, "inuse_space");
        weight = costs_weight(b, type_b);
        rc = weight ? costs_of(&own, b, weight, COST_ALLOCATING) : -ENOMEM;
        for (size_t i = 0; i < own.count && !rc; i++) {
            const char *name = b->function[own.item[i].function].name;
            int64_t more = own.item[i].value - bytes_of(a, type_a, name);
            size_t at = grown.count++;
            for (; at && grown.item[at - 1].value < more; at--)
                grown.item[at] = grown.item[at - 1];
            grown.item[at] = (struct cost){own.item[i].function, more};
        }
        for (size_t i = 0;
             i < grown.count && i < SHOWN && (double)grown.item[i].value > 0.02 * (double)grown.total; i++)
            say(&explanation->say, i ? ", %.200s %s" : " What grew was allocated by %.200s %s",
                b->function[grown.item[i].function].name, say_share(share, grown.item[i].value, grown.total));
        if (grown.count)
            say(&explanation->say, ".");
    }
    free(weight);
    reading_free(&early);
    reading_free(&late);
    return rc;
}

/* The first third of the time is the program's start. */
static int say_growth(struct explanation *explanation, struct growth *growth)
{
    const struct point *from = &growth->point[growth->points / 3], *to = &growth->point[growth->points - 1];
    const struct point *middle =
        &growth->point[growth->points / 3 + (growth->points - 1 - growth->points / 3) / 2];
    const int64_t more = to->bytes - from->bytes, ms = to->end_ms - from->end_ms;
    char before[SAY_NUMBER], after[SAY_NUMBER], hour[SAY_NUMBER], time[SAY_NUMBER];
    int rc;

    if (ms <= 0)
        return 0;
    say_amount(time, ms * 1000000, "nanoseconds");
    if (!more) {
        say_detail(&explanation->say, " In the last %s it did not change.", time);
        return 0;
    }
    if (!is_certain(growth, from, to)) {
        say_detail(&explanation->say,
                   " In the last %s it changed from %s to %s, which is within the error of sampling.", time,
                   say_amount(before, from->bytes, "bytes"), say_amount(after, to->bytes, "bytes"));
        return 0;
    }
    if (more < 0) {
        say(&explanation->say, " In the last %s it fell from %s to %s.", time,
            say_amount(before, from->bytes, "bytes"), say_amount(after, to->bytes, "bytes"));
        return 0;
    }
    growth->is_growing = true;
    say(&explanation->say, " In the last %s it grew from %s to %s%s: %s an hour at this rate.", time,
        say_amount(before, from->bytes, "bytes"), say_amount(after, to->bytes, "bytes"),
        to->bytes - middle->bytes >= more / 4 && middle->bytes - from->bytes >= more / 4 ? ", steadily" : "",
        say_amount(hour, (int64_t)((double)more / (double)ms * 3600e3), "bytes"));
    rc = say_growers(explanation, from, to);
    explain_next(explanation, "cprof diff --type inuse_space %s %s   # the stacks that grew", from->path,
                 to->path);
    return rc;
}

static int say_holders(struct explanation *explanation, unsigned type, int64_t total)
{
    const struct read_profile *memory = explanation->memory;
    int64_t *weight = costs_weight(memory, type);
    const size_t most = explanation->say.all ? SHOWN : SHOWN - 1;
    char share[SAY_NUMBER];
    struct costs own;
    int rc = weight ? costs_of(&own, memory, weight, COST_ALLOCATING) : -ENOMEM;

    if (memory->period > 1 && total / memory->period < FEW_SAMPLES) {
        say_detail(&explanation->say, ", which is too few samples to tell whose");
        free(weight);
        return rc;
    }
    for (size_t i = 0; !rc && i < own.count && i < most; i++)
        if (!i || (double)own.item[i].value >= 0.01 * (double)total)
            say(&explanation->say, i ? ", %.200s %s" : ": %.200s %s",
                memory->function[own.item[i].function].name, say_share(share, own.item[i].value, total));
    free(weight);
    return rc;
}

/* The comment that a session writes, "resident 14.9 MiB: blocks in use 0.5, ... (free in the allocator, ...)", without what is
   in brackets. */
static void say_resident(struct say *text, const struct read_profile *memory)
{
    for (size_t i = 0; i < memory->comments; i++) {
        const char *comment = memory->comment[i], *bracket = strstr(comment, " (");
        if (!strncmp(comment, "resident ", 9))
            say_detail(text, " The process: %.*s.",
                       (int)(bracket ? (size_t)(bracket - comment) : strlen(comment)), comment);
    }
}

int explain_memory(struct explanation *explanation)
{
    const struct read_profile *memory = explanation->memory;
    int live = memory ? read_profile_type(memory, "inuse_space") : -1,
        all = memory ? read_profile_type(memory, "alloc_space") : -1;
    int64_t live_bytes = live >= 0 ? read_profile_total(memory, (unsigned)live) : 0;
    int64_t all_bytes = all >= 0 ? read_profile_total(memory, (unsigned)all) : 0;
    struct growth growth = {.points = 0};
    char amount[SAY_NUMBER];
    int rc = 0;

    if (live_bytes <= 0 && all_bytes <= 0)
        return 0;
    say(&explanation->say, "Memory:");
    if (live >= 0) {
        say(&explanation->say, " %s is in use at the end",
            live_bytes > 0 ? say_amount(amount, live_bytes, "bytes") : "nothing");
        if (live_bytes > 0)
            rc = say_holders(explanation, (unsigned)live, live_bytes);
        say(&explanation->say, ".");
    }
    if (!rc)
        rc = read_points(explanation, &growth);
    if (!rc && growth.points >= POINTS_LEAST)
        rc = say_growth(explanation, &growth);
    if (all_bytes > 0 && !rc && (!growth.is_growing || explanation->say.all)) {
        say(&explanation->say, " %s was allocated in all", say_amount(amount, all_bytes, "bytes"));
        rc = say_holders(explanation, (unsigned)all, all_bytes);
        say(&explanation->say, ".");
    }
    say_resident(&explanation->say, memory);
    explain_paragraph(explanation, growth.is_growing ? RANK_GROWTH : RANK_MEMORY);
    free(growth.point);
    return rc;
}
