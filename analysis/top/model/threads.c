/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

void threads_free(struct threads *threads)
{
    free(threads->row);
    store_free(&threads->texts);
    *threads = (struct threads){0};
}

static const char *keep(struct threads *threads, const char *text)
{
    return store_text(&threads->texts, text ? text : "", text ? strlen(text) : 0);
}

static void read_labels(struct threads *threads, const struct read_set *set, struct thread_row *row)
{
    for (uint32_t i = 0; i < set->labels; i++) {
        const struct read_label *label = &set->label[i];
        if (!strcmp(label->key, "tid"))
            row->tid = label->number;
        else if (!strcmp(label->key, "waits_for"))
            row->holder = label->number;
        else if (!strcmp(label->key, "waited"))
            row->waited_ns = label->number > 0 ? label->number : 0;
        else if (!strcmp(label->key, "state"))
            row->state = keep(threads, label->text);
        else if (!strcmp(label->key, "wait"))
            row->wait = keep(threads, label->text);
    }
}

static void read_stack(struct threads *threads, const struct read_profile *profile, uint32_t node,
                       struct thread_row *row)
{
    for (int i = 0; i < 3; i++) {
        const struct read_frame *frame = node ? &profile->frame[profile->node[node].frame] : NULL;
        row->function[i] = frame ? keep(threads, profile->function[frame->function].name) : "";
        node = profile->node[node].parent;
    }
}

/* An interval has the threads of processes that ended in it, too. */
static bool is_there(const struct frame *frame, int64_t pid)
{
    for (size_t i = 0; i < frame->processes; i++)
        if (frame->process[i].pid == pid)
            return true;
    return false;
}

int threads_add(struct threads *threads, const struct frame *frame, unsigned program,
                const struct read_profile *profile)
{
    for (size_t i = 0; i < profile->samples && threads->rows < THREADS_MOST; i++) {
        const struct read_set *set = &profile->set[profile->sample[i].set];
        struct thread_row row = {.program = program, .pid = set->pid, .state = "unknown", .wait = ""}, *rows;
        if ((profile->types && profile->value[i * profile->types] <= 0) || !is_there(frame, row.pid))
            continue;
        rows = array_reserve(threads->row, &threads->room, threads->rows + 1, sizeof row);
        if (!rows)
            return -ENOMEM;
        threads->row = rows;
        row.thread = keep(threads, set->thread);
        read_labels(threads, set, &row);
        read_stack(threads, profile, profile->sample[i].node, &row);
        rows[threads->rows++] = row;
    }
    return 0;
}

static int compare_rows(const void *one, const void *other)
{
    const struct thread_row *a = one, *b = other;
    const bool runs_a = !strcmp(a->state, "running"), runs_b = !strcmp(b->state, "running");
    const bool lock_a = !strcmp(a->state, "lock"), lock_b = !strcmp(b->state, "lock");

    if (runs_a != runs_b)
        return runs_a ? -1 : 1;
    if (lock_a != lock_b)
        return lock_a ? -1 : 1;
    if (a->waited_ns != b->waited_ns)
        return a->waited_ns > b->waited_ns ? -1 : 1;
    return a->tid < b->tid ? -1 : a->tid > b->tid;
}

void threads_sort(struct threads *threads)
{
    if (threads->rows)
        qsort(threads->row, threads->rows, sizeof *threads->row, compare_rows);
}

static int compare_states(const void *one, const void *other)
{
    const struct thread_state *a = one, *b = other;
    return a->count != b->count ? (a->count > b->count ? -1 : 1) : strcmp(a->state, b->state);
}

unsigned threads_states(const struct threads *threads, int program,
                        struct thread_state states[THREADS_STATES])
{
    unsigned count = 0;

    for (size_t i = 0; i < threads->rows; i++) {
        const struct thread_row *row = &threads->row[i];
        unsigned at = 0;
        if (program >= 0 && row->program != (unsigned)program)
            continue;
        while (at < count && strcmp(states[at].state, row->state) != 0)
            at++;
        if (at == count && count < THREADS_STATES)
            states[count++] = (struct thread_state){.state = row->state};
        if (at < count)
            states[at].count++;
    }
    qsort(states, count, sizeof *states, compare_states);
    return count;
}

/* The first function that is not the wait itself. */
static const char *who_wants(const struct thread_row *row)
{
    for (int i = 0; i < 3; i++)
        if (*row->function[i] && strcmp(row->function[i], row->wait) != 0 && *row->function[i] != '_' &&
            strncmp(row->function[i], "pthread_", 8) != 0)
            return row->function[i];
    return row->function[0];
}

static bool is_same(const struct thread_lock *lock, const struct thread_row *row)
{
    if (lock->program != row->program || lock->holder != row->holder)
        return false;
    return lock->holder || (!strcmp(lock->wait, row->wait) && !strcmp(lock->function, who_wants(row)));
}

static int compare_locks(const void *one, const void *other)
{
    const struct thread_lock *a = one, *b = other;
    if (a->waiting != b->waiting)
        return a->waiting > b->waiting ? -1 : 1;
    return a->longest_ns > b->longest_ns ? -1 : a->longest_ns < b->longest_ns;
}

static const char *name_of(const struct threads *threads, unsigned program, int64_t tid)
{
    for (size_t i = 0; tid && i < threads->rows; i++)
        if (threads->row[i].tid == tid && threads->row[i].program == program)
            return threads->row[i].thread;
    return "";
}

unsigned threads_locks(const struct threads *threads, int program, struct thread_lock locks[THREADS_LOCKS])
{
    unsigned count = 0;

    for (size_t i = 0; i < threads->rows; i++) {
        const struct thread_row *row = &threads->row[i];
        unsigned at = 0;
        if ((program >= 0 && row->program != (unsigned)program) || strcmp(row->state, "lock") != 0)
            continue;
        while (at < count && !is_same(&locks[at], row))
            at++;
        if (at == count && count < THREADS_LOCKS)
            locks[count++] = (struct thread_lock){.program = row->program,
                                                  .holder = row->holder,
                                                  .holder_name = name_of(threads, row->program, row->holder),
                                                  .wait = row->wait,
                                                  .function = who_wants(row)};
        if (at == count)
            continue;
        locks[at].waiting++;
        if (row->waited_ns > locks[at].longest_ns)
            locks[at].longest_ns = row->waited_ns;
    }
    qsort(locks, count, sizeof *locks, compare_locks);
    return count;
}
