/* SPDX-License-Identifier: Apache-2.0 */
#include "brief.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/base/clock.h"
#include "uploader/base/map.h"
#include "programs.h"

#define MOST_OWED_NS SECOND_NS /* CPU time beyond the time there was, that is set against later lives */

struct named_times {
    const char *thread; /* interned */
    struct times times;
    double scale; /* of the waits of this name, while they are settled */
};

struct brief {
    struct profile *waits; /* looks, ns */
    struct named_times *name;
    size_t names, room;
    struct map numbers; /* of names, 1 + index, by their address */
    uint32_t profiles;
    int64_t period_ns;
};

static struct brief *brief_of(struct brief **brief)
{
    if (!*brief)
        *brief = calloc(1, sizeof **brief);
    if (*brief && !(*brief)->waits)
        (*brief)->waits = profile_new(&profile_kinds[KIND_ID_OFF_CPU], PROGRAM_INTERVAL_STACKS);
    return *brief && (*brief)->waits ? *brief : NULL;
}

void brief_add_wait(struct brief **where, const struct stack *stack, int pid, const char *thread,
                    int64_t looks, int64_t ns)
{
    struct brief *brief = brief_of(where);

    if (brief)
        profile_add(brief->waits, stack->frame, stack->frames, (uint32_t)pid, thread,
                    (int64_t[PROFILE_VALUES]){looks, ns}, NULL);
}

static struct named_times *name_of(struct brief *brief, const char *thread)
{
    static const char no_name[] = "";
    uint32_t number;

    if (!*thread) /* which is not interned */
        thread = no_name;
    brief->numbers.words = 1;
    number = map_number(&brief->numbers, &(uint64_t){(uintptr_t)thread}, NULL);
    if (number > brief->room) {
        size_t room = 2 * number;
        struct named_times *grown = realloc(brief->name, room * sizeof *grown);
        if (!grown)
            return NULL;
        brief->name = grown;
        brief->room = room;
    }
    if (number > brief->names)
        brief->name[brief->names++] = (struct named_times){.thread = thread};
    return number ? &brief->name[number - 1] : NULL;
}

void brief_add_times(struct brief **where, const char *thread, const struct times *times, uint32_t profiles,
                     int64_t period_ns)
{
    struct brief *brief = brief_of(where);
    struct named_times *name = brief ? name_of(brief, thread) : NULL;
    struct times *sum;

    if (!name)
        return;
    sum = &name->times;
    brief->profiles = profiles;
    brief->period_ns = period_ns;
    times_add(&sum->running_ns, times->running_ns);
    times_add(&sum->blocked_ns, times->blocked_ns);
    times_add(&sum->unseen_ns, times->unseen_ns);
    times_add(&sum->running_looks, times->running_looks);
    times_add(&sum->blocked_looks, times->blocked_looks);
    times_add(&sum->queued_ns, times->queued_ns);
    times_add(&sum->cpu_ns, times->cpu_ns);
    times_add(&sum->untimed_ns, times->untimed_ns);
}

static void put(struct programs *programs, struct program *program, const struct stack *stack, int pid,
                const char *thread, int64_t looks, int64_t ns, bool off_cpu)
{
    const int64_t value[PROFILE_VALUES] = {looks, ns};
    uint32_t profiles = program->brief->profiles;

    if (!looks && !ns)
        return;
    if (profiles >> PROFILE_WALL & 1)
        program_add(programs, program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_WALL, stack, pid, thread,
                    value);
    if (off_cpu && profiles >> PROFILE_OFF_CPU & 1)
        program_add(programs, program, PROGRAM_MERGED | PROGRAM_INTERVAL, KIND_ID_OFF_CPU, stack, pid, thread,
                    value);
}

static void put_special(struct programs *programs, struct program *program, const char *text,
                        const char *thread, int64_t ns, bool off_cpu)
{
    struct stack *stack = calloc(1, sizeof *stack + sizeof stack->frame[0]);

    if (!stack)
        return;
    stack->frames = 1;
    stack->frame[0] = symbols_special(programs->symbols, text);
    put(programs, program, stack, 0, thread, 0, ns, off_cpu);
    free(stack);
}

static void put_waits(struct programs *programs, struct program *program)
{
    struct brief *brief = program->brief;
    const struct profile_sample *sample;
    size_t cursor = 0;

    while ((sample = profile_next(brief->waits, &cursor))) {
        const struct named_times *name = name_of(brief, sample->thread);
        struct stack *stack = calloc(1, sizeof *stack + sample->frames * sizeof stack->frame[0]);
        if (!stack || !name) {
            free(stack);
            return;
        }
        stack->frames = sample->frames;
        memcpy(stack->frame, sample->frame, sample->frames * sizeof stack->frame[0]);
        put(programs, program, stack, (int)sample->pid, sample->thread, sample->value[0],
            (int64_t)((double)sample->value[1] * name->scale), true);
        free(stack);
    }
}

static void settle_name(struct programs *programs, struct program *program, struct named_times *name)
{
    const struct brief *brief = program->brief;
    struct times_settled settled;
    int64_t total_ns = times_total(&name->times), owed_ns = name->times.cpu_ns;

    times_settle(&name->times, brief->profiles >> PROFILE_CPU & 1, brief->period_ns, &settled);
    name->scale = settled.scale;
    put_special(programs, program, "[running]", name->thread, settled.running_ns, false);
    put_special(programs, program, "[waiting for a CPU]", name->thread, settled.queued_ns, true);
    put_special(programs, program, "[ended before it was looked at]", name->thread, settled.unseen_ns, true);
    owed_ns = owed_ns > total_ns ? owed_ns - total_ns : 0;
    name->times = (struct times){.cpu_ns = owed_ns < MOST_OWED_NS ? owed_ns : MOST_OWED_NS};
}

/* Names stay for what they owe. */
static void drop_names(struct brief *brief)
{
    struct named_times *old = brief->name;
    size_t names = brief->names;

    map_free(&brief->numbers);
    brief->name = NULL;
    brief->names = brief->room = 0;
    for (size_t i = 0; i < names; i++) {
        struct named_times *kept = old[i].times.cpu_ns ? name_of(brief, old[i].thread) : NULL;
        if (kept)
            kept->times = old[i].times;
    }
    free(old);
}

void brief_settle(struct programs *programs, struct program *program)
{
    struct brief *brief = program->brief;

    if (!brief || !brief->waits)
        return;
    for (size_t i = 0; i < brief->names; i++) {
        brief->name[i].scale = 0;
        if (times_total(&brief->name[i].times) > 0)
            settle_name(programs, program, &brief->name[i]);
    }
    put_waits(programs, program);
    drop_names(brief);
    profile_free(brief->waits);
    brief->waits = NULL;
}

void brief_free(struct brief *brief)
{
    if (!brief)
        return;
    profile_free(brief->waits);
    map_free(&brief->numbers);
    free(brief->name);
    free(brief);
}
