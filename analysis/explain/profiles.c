/* SPDX-License-Identifier: Apache-2.0 */
/* What costs CPU time, locks and waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "explain_parts.h"
#include "own_code.h"

enum {
    SHOWN = 3,
    FEW_SAMPLES = 1000,
    IDLE = 20,  /* less than a twentieth of a CPU */
    READY = 20, /* less than a twentieth of the time in which no CPU was free is usual on any machine */
};

/* "read_row 51.8 %, parse 20.0 %": those from `from` on that have 1 % at least. Returns how many. */
static size_t say_costs(struct say *text, const struct read_profile *profile, const struct costs *costs,
                        size_t most)
{
    char share[SAY_NUMBER];
    size_t said = 0;

    for (size_t i = 0; i < costs->count && said < most; i++) {
        const struct cost *cost = &costs->item[i];
        if (said && (double)cost->value < 0.01 * (double)costs->total)
            break;
        say(text, "%s %.200s %s", said ? "," : "", profile->function[cost->function].name,
            say_share(share, cost->value, costs->total));
        said++;
    }
    return said;
}

/* Whether the same functions are said of both. */
static bool have_same_top(const struct costs *one, const struct costs *other)
{
    for (size_t i = 0; i < SHOWN; i++) {
        bool is_said = i < one->count && (double)one->item[i].value >= 0.01 * (double)one->total;
        bool is_other_said = i < other->count && (double)other->item[i].value >= 0.01 * (double)other->total;
        if (is_said != is_other_said)
            return false;
        if (is_said && one->item[i].function != other->item[i].function)
            return false;
    }
    return true;
}

/* Of functions that call most of the work, those that tell something: of the user's own, and not nearly everything. */
static void say_callers(struct say *text, const struct read_profile *profile, const struct costs *all,
                        const struct costs *own)
{
    struct costs callers = {.total = all->total};

    for (size_t i = 0; i < all->count; i++) {
        const struct cost *cost = &all->item[i];
        bool is_said = (double)cost->value > 0.98 * (double)all->total || !own_is(profile, cost->function) ||
                       !strcmp(profile->function[cost->function].name, "main");
        for (size_t o = 0; o < own->count && o < SHOWN; o++)
            is_said |= own->item[o].function == cost->function &&
                       (double)(cost->value - own->item[o].value) < 0.05 * (double)all->total;
        if (callers.count && /* a chain of callers: the first of them is enough */
            (double)(callers.item[callers.count - 1].value - cost->value) < 0.01 * (double)all->total)
            is_said = true;
        if (!is_said)
            callers.item[callers.count++] = *cost;
    }
    if (!callers.count)
        return;
    say(text, " With all that they call:");
    say_costs(text, profile, &callers, SHOWN);
    say(text, ".");
}

static int say_functions(struct explanation *explanation, const struct read_profile *profile,
                         const int64_t *weight)
{
    struct say *text = &explanation->say;
    struct costs itself, own, all;
    int rc = costs_of(&itself, profile, weight, COST_ITSELF);

    if (!rc)
        rc = costs_of(&own, profile, weight, COST_OWN_CODE);
    if (!rc)
        rc = costs_of(&all, profile, weight, COST_CUMULATIVE);
    if (rc)
        return rc;
    say(text, " Most is in");
    say_costs(text, profile, &itself, SHOWN);
    say(text, ".");
    if (own.count && !have_same_top(&itself, &own)) {
        say(text, " By functions of the program's own:");
        say_costs(text, profile, &own, text->all ? SHOWN : SHOWN - 1);
        say(text, ".");
    }
    if (text->all)
        say_callers(text, profile, &all, &own);
    return 0;
}

/* How many samples stand behind a profile, if a type of it counts them. 0: not known. */
static int64_t sample_count(const struct read_profile *profile)
{
    int type = read_profile_type(profile, "samples");
    return type >= 0 ? read_profile_total(profile, (unsigned)type) : 0;
}

/* Two standard errors of a share of a half, in points, the widest that there is. */
static void say_certainty(struct say *text, int64_t samples)
{
    int64_t points = 1;

    while (points < 50 && points * points * samples < 10000)
        points++;
    if (samples > 0 && samples < FEW_SAMPLES)
        say(text, " Of only %" PRId64 " samples: a share may be off by %" PRId64 " points.", samples, points);
}

/* Threads by what they used, if there are several names. */
static void say_threads(struct explanation *explanation, const struct read_profile *profile,
                        const int64_t *weight)
{
    int64_t *sum = calloc(profile->sets, sizeof *sum), total = 0;
    const char *last = NULL;
    char share[SAY_NUMBER];
    size_t said = 0;

    for (size_t i = 0; sum && i < profile->samples; i++) {
        const char *name = profile->set[profile->sample[i].set].thread;
        uint32_t first = 0;
        while (strcmp(profile->set[first].thread, name) != 0)
            first++;
        sum[first] += weight[i];
        total += weight[i];
    }
    while (sum && total > 0 && said < SHOWN) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < profile->sets; i++)
            best = sum[i] > sum[best] ? i : best;
        if ((double)sum[best] < 0.01 * (double)total || (!said && (double)sum[best] > 0.99 * (double)total))
            break;
        last = profile->set[best].thread;
        say(&explanation->say, said ? ", %s %s" : " By thread: %s %s", *last ? last : "[no name]",
            say_share(share, sum[best], total));
        sum[best] = 0;
        said++;
    }
    if (said)
        say(&explanation->say, ".");
    free(sum);
}

/* Our settings are of no use for others' profiles. */
static bool is_ours(const struct read_profile *profile)
{
    return profile->comments && !strncmp(profile->comment[0], "cprof ", 6);
}

int explain_cpu(struct explanation *explanation)
{
    const struct read_profile *profile = explanation->cpu;
    struct say *text = &explanation->say;
    int64_t total = profile ? read_profile_total(profile, profile->default_type) : 0, *weight;
    char amount[SAY_NUMBER], time[SAY_NUMBER];
    int rc;

    if (total <= 0)
        return 0;
    weight = costs_weight(profile, profile->default_type);
    if (!weight)
        return -ENOMEM;
    say(text, "CPU: %s", say_amount(amount, total, profile->type[profile->default_type].unit));
    if (explanation->duration_ns > 0 && !strcmp(profile->type[profile->default_type].unit, "nanoseconds"))
        say(text, " in %s, which is %.2f CPUs", say_amount(time, explanation->duration_ns, "nanoseconds"),
            (double)total / (double)explanation->duration_ns);
    if (is_ours(profile) && total < explanation->duration_ns / IDLE) {
        say(text, ": the CPU is not what it waits for.");
        explain_paragraph(explanation, RANK_CPU);
        free(weight);
        return 0;
    }
    say(text, ".");
    rc = say_functions(explanation, profile, weight);
    if (text->all)
        say_threads(explanation, profile, weight);
    say_certainty(text, sample_count(profile));
    explain_paragraph(explanation, RANK_CPU);
    free(weight);
    if (text->all && is_ours(profile) && sample_count(profile) > 0 &&
        sample_count(profile) < FEW_SAMPLES / 4 && total >= explanation->duration_ns / 10)
        explain_next(explanation,
                     "record for longer, or with CPROF_CPU_HZ=500, before CPU shares are compared");
    return rc;
}

int explain_other(struct explanation *explanation)
{
    const struct read_profile *profile = explanation->other;
    const struct read_type *type = profile ? &profile->type[profile->default_type] : NULL;
    int64_t total = profile ? read_profile_total(profile, profile->default_type) : 0, *weight;
    char amount[SAY_NUMBER];
    int rc;

    if (total <= 0)
        return 0;
    weight = costs_weight(profile, profile->default_type);
    if (!weight)
        return -ENOMEM;
    say(&explanation->say, "%s: %s.", type->type, say_amount(amount, total, type->unit));
    rc = say_functions(explanation, profile, weight);
    explain_paragraph(explanation, RANK_CPU);
    free(weight);
    return rc;
}

/* Waits in functions that take locks. */
static bool is_lock_call(const char *name)
{
    return strstr(name, "mutex") || strstr(name, "rwlock") || strstr(name, "spin_lock") ||
           strstr(name, "lll_lock");
}

/* The weights of samples whose leaf takes a lock, or of all others. */
static int64_t *wait_weight(const struct read_profile *profile, bool locks, int64_t *total)
{
    int64_t *weight = costs_weight(profile, profile->default_type);

    *total = 0;
    for (size_t i = 0; weight && i < profile->samples; i++) {
        uint32_t node = profile->sample[i].node;
        const char *leaf =
            node ? profile->function[profile->frame[profile->node[node].frame].function].name : "";
        if (is_lock_call(leaf) != locks)
            weight[i] = 0;
        *total += weight[i];
    }
    return weight;
}

/* *named: the function that held locks the longest. */
static int say_held(struct explanation *explanation, const struct read_profile *mutex, const char **named)
{
    int64_t *weight = costs_weight(mutex, mutex->default_type);
    struct costs own;
    int rc = weight ? costs_of(&own, mutex, weight, COST_OWN_CODE) : -ENOMEM;

    if (!rc && own.count) {
        say(&explanation->say, " They were kept waiting by");
        say_costs(&explanation->say, mutex, &own, SHOWN);
        say(&explanation->say, ", which released the locks.");
        *named = mutex->function[own.item[0].function].name;
    }
    free(weight);
    return rc;
}

/* Where the waits were, unless that is the function that was named already. */
static int say_waiting(struct explanation *explanation, const struct read_profile *profile, const char *named)
{
    int64_t total, *weight = wait_weight(profile, true, &total);
    struct costs own;
    int rc = weight ? costs_of(&own, profile, weight, COST_OWN_CODE) : -ENOMEM;

    if (!rc && own.count && strcmp(named, profile->function[own.item[0].function].name) != 0) {
        say(&explanation->say, " The waits were in");
        say_costs(&explanation->say, profile, &own, SHOWN);
        say(&explanation->say, ".");
    } else if (!rc && own.count) {
        say(&explanation->say, " The waits were in the same function.");
    }
    free(weight);
    return rc;
}

/* Threads waited for locks for longer than they ran. */
static bool is_most(const struct explanation *explanation, int64_t delay)
{
    const struct read_profile *cpu = explanation->cpu;

    return cpu && delay > read_profile_total(cpu, cpu->default_type);
}

int explain_locks(struct explanation *explanation)
{
    const struct read_profile *mutex = explanation->mutex;
    int64_t delay = mutex ? read_profile_total(mutex, mutex->default_type) : 0;
    char amount[SAY_NUMBER], time[SAY_NUMBER];
    const char *named = "";
    int rc = 0;

    if (delay <= 0)
        return 0;
    say(&explanation->say, "Locks: threads waited %s for locks", say_amount(amount, delay, "nanoseconds"));
    if (explanation->duration_ns > 0) {
        say(&explanation->say, " in %s", say_amount(time, explanation->duration_ns, "nanoseconds"));
        if (delay < explanation->duration_ns / 100) {
            say(&explanation->say, "; that is too little to matter.");
            explain_paragraph(explanation, RANK_LOCKS);
            return 0;
        }
        say(&explanation->say, ", %.1f at a time on average",
            (double)delay / (double)explanation->duration_ns);
    }
    say(&explanation->say, ".");
    rc = say_held(explanation, mutex, &named);
    if (!rc && explanation->block)
        rc = say_waiting(explanation, explanation->block, named);
    explain_paragraph(explanation, is_most(explanation, delay) ? RANK_MANY_LOCKS : RANK_LOCKS);
    explain_next(
        explanation,
        "cprof report %s   # \"Mutex delay\": which code holds the locks, and from where it was called",
        explanation->path);
    return rc;
}

/* Leaves of waits, each with the program's function that waited there. */
static int say_leaves(struct explanation *explanation, const struct read_profile *profile,
                      const int64_t *weight)
{
    struct costs leaves, own;
    int rc = costs_of(&leaves, profile, weight, COST_ITSELF);

    if (!rc)
        rc = costs_of(&own, profile, weight, COST_OWN_CODE);
    if (rc || !leaves.count)
        return rc;
    say(&explanation->say, " Most is in");
    say_costs(&explanation->say, profile, &leaves, explanation->say.all ? SHOWN : 1);
    say(&explanation->say, ".");
    if (own.count) {
        say(&explanation->say, " By functions of the program's own:");
        say_costs(&explanation->say, profile, &own, explanation->say.all ? SHOWN : SHOWN - 1);
        say(&explanation->say, ".");
    }
    return 0;
}

/* Threads that were ready to run. */
static void say_ready(struct explanation *explanation, const struct read_profile *profile,
                      const int64_t *weight, int64_t total)
{
    int64_t ready = 0;
    char share[SAY_NUMBER];

    for (size_t i = 0; i < profile->samples; i++) {
        uint32_t node = profile->sample[i].node;
        if (node && !strcmp(profile->function[profile->frame[profile->node[node].frame].function].name,
                            "[waiting for a CPU]"))
            ready += weight[i];
    }
    if (ready >= total / 10 && ready >= explanation->duration_ns / READY)
        say(&explanation->say,
            " For %s of it, threads were ready to run and no CPU was free: the machine or the container's "
            "limit was fully used.",
            say_share(share, ready, total));
}

/* Of all the time of all threads, what was no CPU time. */
int explain_waits(struct explanation *explanation)
{
    const struct read_profile *block = explanation->block, *wall = explanation->wall;
    const struct read_profile *profile = wall ? wall : block;
    char amount[SAY_NUMBER], share[SAY_NUMBER];
    int64_t total, *weight, whole;
    int rc = 0;

    if (!profile)
        return 0;
    weight = wait_weight(profile, false, &total);
    whole = read_profile_total(profile, profile->default_type);
    if (weight && total > 0) {
        if (wall)
            say(&explanation->say, "Off CPU: %s, all threads together",
                say_amount(amount, total, "nanoseconds"));
        else
            say(&explanation->say, "Waits: %s, locks apart (%s of all waiting)",
                say_amount(amount, total, "nanoseconds"), say_share(share, total, whole));
        say(&explanation->say, ".");
        rc = say_leaves(explanation, profile, weight);
        say_ready(explanation, profile, weight, total);
        explain_paragraph(explanation, RANK_WAITS);
    }
    free(weight);
    return weight ? rc : -ENOMEM;
}
