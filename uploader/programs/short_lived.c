/* SPDX-License-Identifier: Apache-2.0 */
#include "short_lived.h"

#include <stdlib.h>
#include <string.h>

#include "sampler/segment/layout.h"
#include "uploader/base/array.h"
#include "uploader/base/clock.h"
#include "uploader/base/ids.h"

#define MOST_EXCESS_NS SECOND_NS /* CPU time beyond the time there was; it counts against later processes */

struct named_balance {
    const char *thread; /* interned */
    struct time_balance balance;
    double scale; /* of the waits of this name, while they are settled */
};

struct short_lived {
    struct profile *waits; /* wall samples, ns */
    struct named_balance *name;
    size_t names, room;
    struct ids numbers; /* of names, 1 + index, by their address */
    uint32_t profiles;
    int64_t period_ns;
};

enum { STACKS = 16000 }; /* in which they waited; further ones are one */

static struct short_lived *begin(struct short_lived **sums)
{
    if (!*sums)
        *sums = calloc(1, sizeof **sums);
    if (*sums && !(*sums)->waits)
        (*sums)->waits = profile_new(&profile_kinds[KIND_ID_OFF_CPU], STACKS);
    return *sums && (*sums)->waits ? *sums : NULL;
}

void short_lived_add_wait(struct short_lived **where, const struct profile_sample *sample)
{
    struct short_lived *sums = begin(where);

    if (sums)
        profile_add_thread(sums->waits, sample, NULL);
}

static struct named_balance *name_of(struct short_lived *sums, const char *thread)
{
    static const char no_name[] = "";
    struct named_balance *grown;
    uint32_t number;

    if (!*thread) /* which is not interned */
        thread = no_name;
    sums->numbers.words = 1;
    number = ids_get(&sums->numbers, &(uint64_t){(uintptr_t)thread}, NULL);
    grown = number ? array_reserve(sums->name, &sums->room, number - 1, sizeof *grown) : NULL;
    if (!grown)
        return NULL;
    sums->name = grown;
    if (number > sums->names)
        sums->name[sums->names++] = (struct named_balance){.thread = thread};
    return &sums->name[number - 1];
}

void short_lived_add_balance(struct short_lived **where, const char *thread,
                             const struct time_balance *balance, uint32_t profiles, int64_t period_ns)
{
    struct short_lived *sums = begin(where);
    struct named_balance *name = sums ? name_of(sums, thread) : NULL;
    struct time_balance *sum;

    if (!name)
        return;
    sum = &name->balance;
    sums->profiles = profiles;
    sums->period_ns = period_ns;
    time_add(&sum->running_ns, balance->running_ns);
    time_add(&sum->blocked_ns, balance->blocked_ns);
    time_add(&sum->unseen_ns, balance->unseen_ns);
    time_add(&sum->running_samples, balance->running_samples);
    time_add(&sum->blocked_samples, balance->blocked_samples);
    time_add(&sum->queued_ns, balance->queued_ns);
    time_add(&sum->cpu_ns, balance->cpu_ns);
    time_add(&sum->untimed_ns, balance->untimed_ns);
}

struct settlement {
    struct symbols *symbols;
    short_lived_put *put;
    void *context;
};

static void put(const struct settlement *to, const struct profile_sample *sample, uint32_t profiles)
{
    if (sample->value[0] || sample->value[1])
        to->put(to->context, sample, profiles);
}

static void put_special(const struct settlement *to, const char *text, const char *thread, int64_t ns,
                        uint32_t profiles)
{
    const struct symbol_location *frame = symbols_special(to->symbols, text);
    const struct profile_sample sample = {.frames = 1, .frame = &frame, .thread = thread, .value = {0, ns}};

    put(to, &sample, profiles);
}

static void put_waits(struct short_lived *sums, const struct settlement *to)
{
    const struct profile_sample *wait;
    size_t cursor = 0;

    while ((wait = profile_next(sums->waits, &cursor))) {
        const struct named_balance *name = name_of(sums, wait->thread);
        struct profile_sample sample = *wait;
        if (!name)
            return;
        sample.value[1] = (int64_t)((double)wait->value[1] * name->scale);
        put(to, &sample, sums->profiles);
    }
}

static void settle_name(const struct short_lived *sums, struct named_balance *name,
                        const struct settlement *to)
{
    const uint32_t off_cpu = sums->profiles, on_cpu = off_cpu & ~(1u << PROFILE_OFF_CPU);
    struct time_settled settled;
    int64_t total_ns = time_balance_total(&name->balance), excess_ns = name->balance.cpu_ns;

    time_balance_settle(&name->balance, sums->profiles >> PROFILE_CPU & 1, sums->period_ns, &settled);
    name->scale = settled.scale;
    put_special(to, "[running]", name->thread, settled.running_ns, on_cpu);
    put_special(to, "[waiting for a CPU]", name->thread, settled.queued_ns, off_cpu);
    put_special(to, "[ended before it was looked at]", name->thread, settled.unseen_ns, off_cpu);
    excess_ns = excess_ns > total_ns ? excess_ns - total_ns : 0;
    name->balance = (struct time_balance){.cpu_ns = excess_ns < MOST_EXCESS_NS ? excess_ns : MOST_EXCESS_NS};
}

/* A name stays while CPU time of it is left over for the next settlement. */
static void drop_names(struct short_lived *sums)
{
    struct named_balance *old = sums->name;
    size_t names = sums->names;

    ids_free(&sums->numbers);
    sums->name = NULL;
    sums->names = sums->room = 0;
    for (size_t i = 0; i < names; i++) {
        struct named_balance *kept = old[i].balance.cpu_ns ? name_of(sums, old[i].thread) : NULL;
        if (kept)
            kept->balance = old[i].balance;
    }
    free(old);
}

void short_lived_settle(struct short_lived *sums, struct symbols *symbols, short_lived_put *put_one,
                        void *context)
{
    const struct settlement to = {symbols, put_one, context};

    if (!sums || !sums->waits)
        return;
    for (size_t i = 0; i < sums->names; i++) {
        sums->name[i].scale = 0;
        if (time_balance_total(&sums->name[i].balance) > 0)
            settle_name(sums, &sums->name[i], &to);
    }
    put_waits(sums, &to);
    drop_names(sums);
    profile_free(sums->waits);
    sums->waits = NULL;
}

void short_lived_free(struct short_lived *sums)
{
    if (!sums)
        return;
    profile_free(sums->waits);
    ids_free(&sums->numbers);
    free(sums->name);
    free(sums);
}
