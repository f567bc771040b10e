/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include <string.h>
#include <limits.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "sampler/base/clock.h"
#include "sampler/waits/contention.h"
#include "sampler/cpu/cpu.h"
#include "sampler/samples/event.h"
#include "sampler/process/process.h"
#include "sampler/samples/record.h"
#include "sampler/base/seccomp.h"
#include "slots.h"
#include "sampler/base/sys.h"

#include "sampler/base/poison.h"

__thread struct thread_local_state thread_local_state;

static pthread_key_t end_key;
static _Atomic uint32_t end_key_made;
static size_t
    main_stack; /* bytes that the kernel kept free for the main thread's stack when the program started */
static uintptr_t main_stack_high;

static size_t stack_limit(void)
{
    struct rlimit limit = {0, 0};
    if (sys_call(SYS_prlimit64, 0, RLIMIT_STACK, 0, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 2u << 20; /* what glibc takes then on x86-64 */
    return limit.rlim_cur;
}

/*
 * Runs when a thread ends, in whatever way. Destructors of the program's own keys may still allocate after
 * it, so it puts itself off to the last of the rounds that glibc makes (PTHREAD_DESTRUCTOR_ITERATIONS).
 */
static void thread_end(void *rounds_left)
{
    uintptr_t left = (uintptr_t)rounds_left;
    uint32_t slot = thread_local_state.slot;
    struct segment *segment;

    if (left > 1 && atomic_load_explicit(&end_key_made, memory_order_acquire)) {
        pthread_setspecific(end_key, (void *)(left - 1));
        return;
    }
    contention_abandon(); /* cancelled while it waited for a lock */
    thread_local_state.slot = 0;
    thread_local_state.ended = 1;
    if (!slot) {
        cpu_stop_unattached();
        return;
    }
    segment = process_attached();
    if (segment)
        cpu_settle(segment, slot);
    cpu_stop(slot);
    slot_private[slot].tid = 0;
    if (segment)
        slot_give_back(segment, slot);
}

void threads_start(thread_key_function *create_key)
{
    main_stack = stack_limit();
    if (!create_key(&end_key, thread_end))
        atomic_store_explicit(&end_key_made, 1, memory_order_release);
}

bool thread_give_key_up(void)
{
    return atomic_exchange_explicit(&end_key_made, 0, memory_order_acq_rel) && !pthread_key_delete(end_key);
}

/* Fills the slot of a thread and starts its timer. handle 0: not known. Returns what cpu_start() does. */
static int occupy(struct segment *segment, uint32_t slot, int tid, pthread_t handle, const char name[16])
{
    struct seg_thread *thread = &segment->thread[slot];

    thread->stack_low = slot_private[slot].stack_low;
    thread->stack_high = slot_private[slot].stack_high;
    thread->handle = (uint64_t)handle;
    thread->start_monotonic_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&thread->flags, handle ? 0 : THREAD_ADOPTED, memory_order_relaxed);
    atomic_store_explicit(&thread->name, name_index(segment, name), memory_order_relaxed);
    atomic_store_explicit(&slot_private[slot].tid, tid, memory_order_relaxed);
    atomic_store_explicit(&thread->tid, tid, memory_order_release);
    return cpu_start(segment, slot, tid);
}

/* Of the calling thread. */
static void read_name(char name[16])
{
    memset(name, 0, 16);
    if (seccomp_allows(CALL(prctl_name)))
        sys_call(SYS_prctl, PR_GET_NAME, name);
}

static void occupy_self(struct segment *segment, uint32_t slot, int tid)
{
    char name[16];
    read_name(name);
    thread_local_state.slot = slot;
    occupy(segment, slot, tid, pthread_self(), name);
}

/* Of a slot that is not occupied yet: its tid (release) publishes what is written here. */
static void note_creator(struct segment *segment, struct seg_thread *thread)
{
    uint32_t generation = 0, stack = 0;
    if (process_wanted() & 1u << PROFILE_THREADCREATE && !thread_local_state.ended)
        stack = event_stack(segment, &generation);
    thread->created_stack = stack;
    thread->created_generation = stack ? generation : 0;
}

/* Bytes of stack that a thread with these attributes (NULL: the program's defaults) gets. */
static size_t stack_size(const pthread_attr_t *attr)
{
    pthread_attr_t defaults;
    size_t size = 0;

    if (attr) {
        pthread_attr_getstacksize(attr, &size);
    } else if (!pthread_getattr_default_np(&defaults)) {
        pthread_attr_getstacksize(&defaults, &size);
        pthread_attr_destroy(&defaults);
    }
    return size;
}

/*
 * A forked child that has no segment yet gets none by making a thread. What the new thread is to run waits
 * here until it has started; it gets a timer by which it joins. Numbers that are no slots stand for these.
 */
enum { EARLY = 64 };
static struct early {
    _Atomic uint32_t taken;
    void *(*start)(void *);
    void *arg;
    size_t stack_size;
} early[EARLY];

static uint32_t prepare_early(void *(*start)(void *), void *arg, const pthread_attr_t *attr)
{
    for (uint32_t i = 0; i < EARLY; i++) {
        uint32_t idle = 0;
        if (!atomic_compare_exchange_strong_explicit(&early[i].taken, &idle, 1, memory_order_acquire,
                                                     memory_order_relaxed))
            continue;
        early[i].start = start;
        early[i].arg = arg;
        early[i].stack_size = stack_size(attr);
        return LAYOUT_THREADS + i;
    }
    return 0;
}

static void free_early(uint32_t number)
{
    /* Release: what was read of it is read before it is taken again. Pairs with the acquire above. */
    atomic_store_explicit(&early[number - LAYOUT_THREADS].taken, 0, memory_order_release);
}

uint32_t thread_prepare(void *(*start)(void *), void *arg, const pthread_attr_t *attr)
{
    struct segment *segment = process_attached();
    struct slot_private *own;
    uint32_t slot = !segment && process_forked_ticks() ? prepare_early(start, arg, attr) : 0;

    if (slot)
        return slot;
    segment = process_segment();
    slot = segment ? slot_take(segment) : 0;
    if (!slot)
        return 0;
    own = &slot_private[slot];
    if (!thread_local_state.slot)
        thread_adopt_self(0);
    note_creator(segment, &segment->thread[slot]);
    own->start = start;
    own->arg = arg;
    own->stack_low = stack_size(attr); /* turned into an address by thread_main() */
    cpu_prepare(segment, slot);
    return slot;
}

void threads_forget(void)
{
    for (uint32_t i = 0; i < EARLY; i++)
        atomic_store_explicit(&early[i].taken, 0, memory_order_relaxed);
}

void thread_cancel_prepare(uint32_t slot)
{
    if (slot >= LAYOUT_THREADS) {
        free_early(slot);
        return;
    }
    struct segment *segment = process_attached();
    if (segment && slot)
        slot_give_back(segment, slot);
}

/*
 * glibc puts the thread's control block, which pthread_self() points to, at the upper end of the stack it
 * mapped: every frame is below it. The lower end is kept too high rather than too low (guard page, static
 * thread-local storage): a walk that starts below it is merely slower, one that read outside would crash the
 * program.
 */
static struct stack_range find_bounds(size_t size)
{
    size_t margin = LAYOUT_PAGE + (size / 4 < 65536 ? size / 4 : 65536);
    uintptr_t high = (uintptr_t)pthread_self();
    return (struct stack_range){size > margin && size < high ? high - size + margin : high, high};
}

static void notice_end(void)
{
    if (atomic_load_explicit(&end_key_made, memory_order_acquire))
        pthread_setspecific(end_key, (void *)(uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS);
}

static void begin(uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    struct segment *segment = process_segment();
    struct stack_range stack;

    if (!segment)
        return;
    stack = find_bounds(own->stack_low);
    own->stack_low = stack.low;
    own->stack_high = stack.high;
    /* libc has it from the kernel; in a child of a raw fork it would be the parent's. */
    occupy_self(segment, slot, cpu_thread_of(pthread_self()));
    notice_end();
}

static void begin_early(uint32_t number)
{
    size_t size = early[number - LAYOUT_THREADS].stack_size;

    thread_local_state.early_stack = size ? (uint8_t)(63 - __builtin_clzll(size)) & 63 : 0;
    free_early(number);
    if (process_attached()) {
        thread_adopt_self(0); /* somebody has joined meanwhile */
    } else {
        process_start_unattached();
        notice_end();
    }
}

void *thread_main(void *argument)
{
    uint32_t slot = (uint32_t)(uintptr_t)argument;
    bool is_early = slot >= LAYOUT_THREADS;
    void *(*start)(void *) = is_early ? early[slot - LAYOUT_THREADS].start : slot_private[slot].start;
    void *arg = is_early ? early[slot - LAYOUT_THREADS].arg : slot_private[slot].arg, *result;

    if (is_early)
        begin_early(slot);
    else
        begin(slot);
    result = start(arg);
    if (!atomic_load_explicit(&end_key_made, memory_order_acquire))
        thread_end(NULL); /* ends by pthread_exit() are found by the uploader then */
    return result;
}

static uint32_t find_slot(const struct segment *segment, int tid)
{
    uint32_t used = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
    for (uint32_t slot = 1; slot < used && slot < LAYOUT_THREADS; slot++)
        if (atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed) == tid)
            return slot;
    return 0;
}

/* The slot that another thread took for this one. Its bounds of the stack are not known there, nor here. */
static bool take_over(struct segment *segment)
{
    uint32_t slot = find_slot(segment, (int)sys_call(SYS_gettid));
    struct seg_thread *thread = &segment->thread[slot];
    char name[16];

    if (!slot || !(atomic_load_explicit(&thread->flags, memory_order_relaxed) & THREAD_ADOPTED))
        return false;
    read_name(name);
    thread->handle = (uint64_t)pthread_self();
    atomic_store_explicit(&thread->name, name_index(segment, name), memory_order_relaxed);
    atomic_fetch_and_explicit(&thread->flags, ~(uint32_t)THREAD_ADOPTED, memory_order_relaxed);
    thread_local_state.slot = slot;
    notice_end();
    return true;
}

void thread_adopt_self(uintptr_t stack_high)
{
    struct segment *segment = process_segment();
    uint32_t slot;
    int tid;
    bool is_main;

    if (stack_high)
        main_stack_high = stack_high;
    if (!segment || thread_local_state.slot || thread_local_state.ended ||
        !seccomp_allows(CALL(gettid) | CALL(getpid) | CALL(timer_delete)) || process_is_vforked())
        return;
    if (take_over(segment))
        return;
    tid = (int)sys_call(SYS_gettid);
    is_main = tid == sys_call(SYS_getpid);
    slot = slot_take(segment);
    if (!slot)
        return;
    /* In a child forked by a thread other than the main one, the only thread runs on that thread's stack. */
    if (is_main && (uintptr_t)__builtin_frame_address(0) < main_stack_high &&
        main_stack_high - (uintptr_t)__builtin_frame_address(0) < main_stack) {
        slot_private[slot].stack_high = main_stack_high;
        slot_private[slot].stack_low = main_stack_high - main_stack;
    } else {
        struct stack_range stack = thread_local_state.early_stack
                                       ? find_bounds((size_t)1 << thread_local_state.early_stack)
                                       : (struct stack_range){0, 0};
        slot_private[slot].stack_high = stack.high;
        slot_private[slot].stack_low = stack.low;
    }
    cpu_stop_unattached();
    occupy_self(segment, slot, tid);
    if (!is_main)
        notice_end();
}

/* Two may want to: whoever takes the tid out of it does. */
static void release(struct segment *segment, uint32_t slot, int tid)
{
    if (!atomic_compare_exchange_strong_explicit(&slot_private[slot].tid, &tid, 0, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    cpu_stop(slot);
    slot_give_back(segment, slot);
}

void thread_adopt_other(struct segment *segment, int tid, const char name[16])
{
    char copy[16] = {0};
    uint32_t slot = find_slot(segment, tid) ? 0 : slot_take(segment);
    if (!slot)
        return;
    memcpy(copy, name, sizeof copy - 1);
    slot_private[slot].stack_low = slot_private[slot].stack_high = 0;
    if (occupy(segment, slot, tid, 0, copy) == -22) /* EINVAL: it ended since the uploader saw it */
        release(segment, slot, tid);
}

/* By its own allocation, or since it had only just been made when the uploader saw it. */
bool thread_has_other(uint32_t slot)
{
    uint32_t own = thread_local_state.slot;
    return __builtin_expect(own != slot, 0) && own &&
           atomic_load_explicit(&slot_private[own].tid, memory_order_relaxed) ==
               atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed);
}

/* Whoever adopts the thread at this moment may not have noted its timer yet: then with the next signal. */
void thread_drop(struct segment *segment, uint32_t slot)
{
    if (atomic_load_explicit(&slot_private[slot].timer, memory_order_relaxed) > 0)
        release(segment, slot, atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed));
}

void thread_bury(struct segment *segment, int tid)
{
    uint32_t slot = find_slot(segment, tid);
    if (!slot || sys_call(SYS_tgkill, sys_call(SYS_getpid), tid, 0) != -3 /* ESRCH */)
        return;
    release(segment, slot, tid);
}

/* A segment that is made later has the name from the kernel. */
void thread_renamed(pthread_t handle, const char *name)
{
    struct segment *segment = process_attached();
    uint32_t used, slot = thread_local_state.slot;
    char text[16] = {0};

    if (!segment)
        return;
    for (unsigned i = 0; i < sizeof text - 1 && name[i]; i++)
        text[i] = name[i];
    if (handle && handle != pthread_self()) {
        used = atomic_load_explicit(&segment->header.used_slots, memory_order_relaxed);
        for (slot = 1; slot < used && slot < LAYOUT_THREADS; slot++)
            if (segment->thread[slot].handle == (uint64_t)handle &&
                atomic_load_explicit(&segment->thread[slot].tid, memory_order_relaxed))
                break;
        if (slot >= used || slot >= LAYOUT_THREADS)
            return;
    }
    if (slot)
        atomic_store_explicit(&segment->thread[slot].name, name_index(segment, text), memory_order_relaxed);
}
