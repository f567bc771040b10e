/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's start, in this order:
 *  1. the real functions,
 *  2. the settings,
 *  3. the signal handler, before the first timer,
 *  4. the segment, and its hand-over to the uploader,
 *  5. the main thread's slot and timer.
 * Allocations that other libraries' constructors make earlier are forwarded only, because the sampler
 * records nothing before process_start().
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "preload/real/arena.h"
#include "preload/real/real.h"
#include "preload/session/config.h"
#include "preload/session/follow.h"
#include "preload/session/inherited.h"
#include "preload/session/session.h"
#include "preload/signals/sigprof.h"
#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/libc/elf.h"
#include "sampler/libc/libc.h"
#include "sampler/memory/live_blocks.h"
#include "sampler/memory/mappings.h"
#include "sampler/process/process.h"
#include "sampler/threads/cpu_timer.h"
#include "sampler/threads/missed_ticks.h"
#include "sampler/threads/thread_slots.h"
#include "sampler/threads/threads.h"
#include "sampler/unwind/unwind.h"
#include "sampler/waits/condition.h"
#include "sampler/waits/switch_detection.h"

static void forget_parent(void)
{
    live_blocks_forget();
    mappings_forget();
    condition_forget();
    missed_ticks_forget();
    thread_slots_forget();
    threads_forget();
    unwind_forget();
}

static void describe(struct segment *segment)
{
    switch_report(segment);
    if (!libc._dl_find_object)
        segment_count(segment, COUNT_MODULES_BY_LIST, 1);
}

static const struct process_ops ops = {session_hand_over, session_uploader_alive, session_next, describe,
                                       forget_parent};

/* The join is left to the first sample, which the timer brings if nothing else does. */
static void after_fork(void)
{
    sigprof_fork_child();
    process_attached();
    cpu_timer_start_unattached();
}

/* Registered before the program's own handlers, and before the loader's, so that it runs after all of them.
 */
static void at_exit(int status, void *context)
{
    (void)context;
    process_exit(status);
}

static void tell_what_hooks_do_not_see(void)
{
    if (arena_served())
        process_count(COUNT_EARLY_ALLOCATIONS, arena_served());
    if (real_seen.foreign_allocators)
        process_count(COUNT_FOREIGN_ALLOCATOR, real_seen.foreign_allocators);
}

/* libc's clock_gettime() may be somebody else's: libraries are preloaded to tell programs another time. */
static void take_clock(void)
{
    static const char name[] = "__vdso_clock_gettime";
    struct elf_dynamic vdso;

    if (elf_dynamic_open_vdso(&vdso))
        clock_use((clock_function *)elf_find(&vdso, name, elf_hash(name), NULL));
}

static void start_sampling(char **environment)
{
    int result;

    take_clock();
    sigprof_start();
    unwind_start();
    switch_start();
    /* A thread that is cancelled while it waits for a lock still has its place in the table. */
    threads_start(real.pthread_key_create, condition_abandon);
    if (process_start(&config.process, &ops))
        return;
    libc_at_fork(after_fork);
    libc_at_exit(at_exit);
    session_may_speak(true);
    result = process_join();
    session_may_speak(false);
    /* An installation that cannot work is said once: what this program starts does not load the library. */
    if (result && session_explain(result))
        follow_nobody(environment, real_seen.library_path);
    else if (!result && session_is_first())
        config_complain(environment);
    tell_what_hooks_do_not_see();
    /* The name of the executable lies above all frames of the main thread. */
    thread_adopt_self((uintptr_t)getauxval(AT_EXECFN));
}

/* Under a C library that is not known, hooks forward and nothing else is done. Programs that run with more rights than their caller are left alone, wherever the preload came from, and so
   are ours. */
__attribute__((constructor(101))) static void start(void)
{
    real_start();
    if (!libc_is_known() || getauxval(AT_SECURE) || real_seen.is_second || real_seen.is_own_program)
        return;
    if (inherited_filter_may_kill(environ)) {
        seccomp_forbid(CALL_EVERY);
        return;
    }
    real_hide_missing();
    config_read(environ, real_seen.library_path);
    if (config.enabled)
        start_sampling(environ);
}
