/* SPDX-License-Identifier: Apache-2.0 */
/* Deadlocks, who has what others wait for, and what all threads do. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "explain_parts.h"
#include "uploader/base/hash.h"

enum { NAMED = 4, STATES = 16, CYCLE_MOST = 64 };

static struct dump_thread *by_tid(const struct hash *tids, int64_t tid)
{
    return tid > 0 ? hash_get(tids, (uint64_t)tid) : NULL;
}

static struct dump_thread *holder_of(const struct hash *tids, const struct dump_thread *thread)
{
    return strcmp(thread->state, "lock") == 0 ? by_tid(tids, thread->holder) : NULL;
}

/* The length of the circle that begins and ends with this thread; 0: there is none. Counted once, from its smallest tid. */
static size_t circle(const struct hash *tids, const struct dump_thread *first)
{
    const struct dump_thread *thread = first;

    for (size_t length = 1; first && length <= CYCLE_MOST; length++) {
        thread = holder_of(tids, thread);
        if (!thread || thread->tid < first->tid)
            return 0;
        if (thread == first)
            return length;
    }
    return 0;
}

static void say_deadlock(struct explanation *explanation, const struct hash *tids,
                         const struct dump_thread *first, size_t length)
{
    const struct dump_thread *thread = first;
    int64_t shortest = INT64_MAX;
    char time[SAY_NUMBER];

    say(&explanation->say, "DEADLOCK in process %" PRId64 ":", first->pid);
    for (size_t i = 0; i < length; i++, thread = holder_of(tids, thread)) {
        const struct dump_thread *holder = holder_of(tids, thread);
        say(&explanation->say,
            "%s \"%s\" (%" PRId64 ") waits in %s for a lock that \"%s\" (%" PRId64 ") holds", i ? "," : "",
            thread->name, thread->tid, *thread->where ? thread->where : "an unknown function", holder->name,
            holder->tid);
        shortest = thread->waited_ns < shortest ? thread->waited_ns : shortest;
    }
    say(&explanation->say,
        ". It has lasted for %s and does not end by itself: take these locks in one order everywhere.",
        say_amount(time, shortest, "nanoseconds"));
    explain_paragraph(explanation, RANK_DEADLOCK);
}

static int64_t longest_wait(const struct dump *dump, int64_t holder, size_t *waiters)
{
    int64_t longest = 0;

    *waiters = 0;
    for (size_t i = 0; i < dump->threads; i++) {
        const struct dump_thread *thread = &dump->thread[i];
        if (strcmp(thread->state, "lock") != 0 || thread->holder != holder)
            continue;
        ++*waiters;
        longest = thread->waited_ns > longest ? thread->waited_ns : longest;
    }
    return longest;
}

/* The thread that most others wait for. Ties: the smallest tid. */
static const struct dump_thread *worst_holder(const struct dump *dump, const struct hash *tids, size_t *most)
{
    const struct dump_thread *worst = NULL;
    struct hash waiters = {0};

    *most = 0;
    for (size_t i = 0; i < dump->threads; i++) {
        const struct dump_thread *holder = holder_of(tids, &dump->thread[i]);
        size_t count;
        if (!holder || holder == &dump->thread[i])
            continue;
        count = (size_t)(uintptr_t)hash_get(&waiters, (uint64_t)holder->tid) + 1;
        if (hash_put(&waiters, (uint64_t)holder->tid, (void *)count))
            break;
        if (count > *most || (count == *most && worst && holder->tid < worst->tid)) {
            worst = holder;
            *most = count;
        }
    }
    hash_free(&waiters);
    return worst;
}

static void say_holder(struct explanation *explanation, const struct dump *dump, const struct hash *tids)
{
    size_t most, waiters;
    const struct dump_thread *holder = worst_holder(dump, tids, &most);
    char time[SAY_NUMBER];

    if (!holder)
        return;
    say(&explanation->say, "Locks now: %zu thread%s wait%s for a lock that \"%s\" (%" PRId64 ") holds", most,
        most == 1 ? "" : "s", most == 1 ? "s" : "", holder->name, holder->tid);
    say(&explanation->say, ", the longest for %s.",
        say_amount(time, longest_wait(dump, holder->tid, &waiters), "nanoseconds"));
    say(&explanation->say, " The holder is in %s (%s%s%s).",
        *holder->where ? holder->where : "an unknown function",
        *holder->state ? holder->state : "state unknown", *holder->wait ? ": " : "", holder->wait);
    explain_paragraph(explanation, RANK_HELD);
}

struct state_count {
    const char *state;
    int64_t count;
};

static size_t count_states(const struct dump *dump, struct state_count *states, int64_t *threads)
{
    size_t count = 0;

    *threads = 0;
    for (size_t i = 0; i < dump->threads; i++) {
        size_t at = 0;
        while (at < count && strcmp(states[at].state, dump->thread[i].state) != 0)
            at++;
        *threads += dump->thread[i].count;
        if (at == STATES)
            continue;
        if (at == count)
            states[count++] = (struct state_count){dump->thread[i].state, 0};
        states[at].count += dump->thread[i].count;
    }
    return count;
}

static int compare_states(const void *a, const void *b)
{
    const struct state_count *one = a, *other = b;

    if (one->count != other->count)
        return one->count < other->count ? 1 : -1;
    return strcmp(one->state, other->state);
}

static const char *state_text(const char *state)
{
    static const struct {
        const char *state, *text;
    } texts[] = {
        {"lock", "wait for a lock"},          {"condition", "wait for a condition"}, {"running", "run"},
        {"join", "wait for a thread"},        {"ending", "at the program's end"},    {"sleep", "sleep"},
        {"", "in a state that is not known"},
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!strcmp(texts[i].state, state))
            return texts[i].text;
    return NULL;
}

static void say_states(struct explanation *explanation, const struct dump *dump)
{
    struct state_count states[STATES];
    int64_t threads;
    size_t count = count_states(dump, states, &threads);

    if (count == 1 && !strcmp(states[0].state, "ending"))
        return; /* the program had ended, and this is its main thread */
    if (explanation->cpu && !explanation->say.all)
        return; /* what the threads did all the time says more than what they did at the end */
    qsort(states, count, sizeof states[0], compare_states);
    say(&explanation->say, "Threads: %" PRId64 " at the end of the record", threads);
    for (size_t i = 0; i < count; i++) {
        const char *text = state_text(states[i].state);
        say(&explanation->say, i ? ", %" PRId64 " %s%s" : ": %" PRId64 " %s%s", states[i].count,
            text ? text : "in ", text ? "" : states[i].state);
    }
    say(&explanation->say, ".");
    explain_paragraph(explanation, RANK_THREADS);
}

int explain_threads(struct explanation *explanation, struct dump *dump)
{
    struct hash tids = {0};
    size_t deadlocks = 0;
    int rc = 0;

    for (size_t i = 0; i < dump->threads && !rc; i++)
        if (dump->thread[i].tid > 0)
            rc = hash_put(&tids, (uint64_t)dump->thread[i].tid, &dump->thread[i]);
    for (size_t i = 0; i < dump->threads && !rc; i++) {
        size_t length =
            circle(&tids, by_tid(&tids, dump->thread[i].tid) == &dump->thread[i] ? &dump->thread[i] : NULL);
        if (!length)
            continue;
        if (deadlocks++ < NAMED)
            say_deadlock(explanation, &tids, &dump->thread[i], length);
    }
    if (!rc && !deadlocks)
        say_holder(explanation, dump, &tids);
    if (!rc)
        say_states(explanation, dump);
    hash_free(&tids);
    return rc;
}
