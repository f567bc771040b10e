/* SPDX-License-Identifier: Apache-2.0 */
#include "threads.h"

#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cpu_timer.h"
#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/labels/thread_labels.h"
#include "sampler/libc/libc.h"
#include "sampler/process/process.h"
#include "sampler/unwind/unwind.h"
#include "thread_slots.h"

#include "sampler/base/poison.h"

static struct {
    /* Written by threads_start(), before there is a second thread. */
    pthread_key_t end_key; /* its destructor is thread_end() */
    thread_key_function *create_key;
    void (*at_end)(void);
    size_t main_stack;         /* bytes that the kernel kept free for the main thread's stack at the start */
    uintptr_t main_stack_high; /* by the main thread, when it is adopted */
    /* Any thread. */
    _Atomic uint32_t has_end_key; /* end_key is made, and not the program's now */
    _Atomic uint32_t served;      /* adopt_sequence of the uploader's last request that was dealt with */
} threads;

static size_t stack_limit(void)
{
    struct rlimit limit = {0, 0};
    if (sys_call(SYS_prlimit64, 0, RLIMIT_STACK, 0, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 2u << 20; /* what glibc takes then on x86-64 */
    return limit.rlim_cur;
}

/*
 * Runs at a thread's end. Destructors of the program's own keys may still allocate after it, so it
 * postpones itself to the last of libc's rounds (PTHREAD_DESTRUCTOR_ITERATIONS). musl cancels a thread at any instruction,
 * if the thread allows that, and then calls this with a stack that is not aligned.
 */
ARCH_REALIGNS_STACK static void thread_end(void *rounds_left)
{
    uintptr_t left = (uintptr_t)rounds_left;
    uint32_t slot = thread_local_state.slot;
    struct segment *segment;

    if (left > 1 && atomic_load_explicit(&threads.has_end_key, memory_order_acquire)) {
        libc.pthread_setspecific(threads.end_key, (void *)(left - 1));
        return;
    }
    threads.at_end();
    thread_local_state.slot = 0;
    thread_local_state.ended = 1;
    if (!slot) {
        cpu_timer_stop_unattached();
        return;
    }
    segment = process_attached();
    if (segment)
        cpu_timer_settle(segment, slot);
    cpu_timer_stop(slot);
    slot_private[slot].tid = 0;
    if (segment)
        thread_slot_give_back(segment, slot);
}

static void make_end_key(void)
{
    if (libc.pthread_setspecific && libc.pthread_key_delete &&
        !threads.create_key(&threads.end_key, thread_end))
        atomic_store_explicit(&threads.has_end_key, 1, memory_order_release);
}

void threads_start(thread_key_function *create_key, void (*at_end)(void))
{
    libc_start();
    threads.create_key = create_key;
    threads.at_end = at_end;
    threads.main_stack = stack_limit();
    make_end_key();
}

/* Before glibc 2.34 threads are in a library of their own, which may be loaded after the start. The first thread
   that is created has loaded it. */
static void notice_thread_library(void)
{
    static _Atomic uint32_t noticed;
    if (__builtin_expect(libc.pthread_setspecific != NULL, 1) ||
        atomic_exchange_explicit(&noticed, 1, memory_order_relaxed))
        return;
    libc_look_again();
    make_end_key();
}

bool thread_give_key_up(void)
{
    return atomic_exchange_explicit(&threads.has_end_key, 0, memory_order_acq_rel) &&
           !libc.pthread_key_delete(threads.end_key);
}

/* Fills the slot of a thread and starts its timer. handle 0: not known. Returns what cpu_timer_start() does.
 */
static int occupy(struct segment *segment, uint32_t slot, int tid, pthread_t handle, const char name[16])
{
    struct seg_thread *thread = &segment->thread[slot];

    thread->stack_low = slot_private[slot].stack_low;
    thread->stack_high = slot_private[slot].stack_high;
    thread->handle = (uint64_t)handle;
    thread->start_monotonic_ns = clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(&thread->flags, handle ? 0 : THREAD_ADOPTED, memory_order_relaxed);
    atomic_store_explicit(&thread->name, thread_name_index(segment, name), memory_order_relaxed);
    atomic_store_explicit(&slot_private[slot].tid, tid, memory_order_relaxed);
    atomic_store_explicit(&thread->tid, tid, memory_order_release);
    segment_count(segment, COUNT_THREADS, 1);
    return cpu_timer_start(segment, slot, tid);
}

/* Of the calling thread. */
static void read_name(char name[16])
{
    memset(name, 0, 16);
    if (seccomp_allows(CALL(prctl_name)))
        sys_call(SYS_prctl, PR_GET_NAME, name);
}

/* Of the calling thread, whose slot this becomes: what it has set before. */
static void publish_labels(struct segment *segment, uint32_t slot)
{
    segment->thread[slot].thread_pointer = arch_thread_pointer();
    thread_labels_publish_set(segment, slot);
    if (thread_labels.has_trace || atomic_load_explicit(&segment->thread[slot].span, memory_order_relaxed))
        thread_labels_publish_trace(segment, slot);
}

static void occupy_self(struct segment *segment, uint32_t slot, int tid)
{
    char name[16];
    read_name(name);
    thread_local_state.slot = slot;
    publish_labels(segment, slot);
    occupy(segment, slot, tid, pthread_self(), name);
}

/* Bytes of stack that a thread with these attributes (NULL: the program's defaults) gets. Attributes without a size
   are asked for the default one. */
static size_t stack_size(const pthread_attr_t *attr)
{
    pthread_attr_t defaults;
    size_t size = 0;

    if (!libc.pthread_attr_getstacksize)
        return 0;
    if (attr) {
        libc.pthread_attr_getstacksize(attr, &size);
    } else if (!pthread_attr_init(&defaults)) {
        libc.pthread_attr_getstacksize(&defaults, &size);
        pthread_attr_destroy(&defaults);
    }
    return size;
}

/*
 * In a forked child without a segment, creating a thread does not join. The start routine is kept here
 * until the thread has started. The thread gets a timer, whose first signal joins. These places are
 * numbered from LAYOUT_THREADS on.
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
    /* Release: the fields were read before the place is taken again. Pairs with the acquire in
       prepare_early(). */
    atomic_store_explicit(&early[number - LAYOUT_THREADS].taken, 0, memory_order_release);
}

uint32_t thread_prepare(void *(*start)(void *), void *arg, const pthread_attr_t *attr)
{
    struct segment *segment = process_attached();
    struct slot_private *own;
    notice_thread_library();
    uint32_t slot = !segment && process_forked_ticks() ? prepare_early(start, arg, attr) : 0;

    if (slot)
        return slot;
    segment = process_segment();
    slot = segment ? thread_slot_take(segment) : 0;
    if (!slot)
        return 0;
    own = &slot_private[slot];
    if (!thread_local_state.slot)
        thread_adopt_self(0);
    own->start = start;
    own->arg = arg;
    own->stack_low = stack_size(attr); /* turned into an address by thread_main() */
    cpu_timer_prepare(segment, slot);
    return slot;
}

void threads_forget(void)
{
    for (uint32_t i = 0; i < EARLY; i++)
        atomic_store_explicit(&early[i].taken, 0, memory_order_relaxed);
    thread_local_state.slot = 0;
    thread_local_state.timer = 0;
    thread_local_state.alloc_gap = 0;
    thread_local_state.alloc_rate = 0;
    thread_local_state.random = 0;
    thread_local_state.slots_asked = 0;
}

void thread_cancel_prepare(uint32_t slot)
{
    if (slot >= LAYOUT_THREADS) {
        free_early(slot);
        return;
    }
    struct segment *segment = process_attached();
    if (segment && slot)
        thread_slot_give_back(segment, slot);
}

/*
 * glibc puts the thread's control block, which pthread_self() points to, at the upper end of the stack that
 * it mapped, so every frame is below it. The lower end is kept too high rather than too low (guard page,
 * static thread-local storage). A walk that starts below it is merely slower, and one that read outside
 * would crash the program.
 */
static struct stack_range find_bounds(size_t size)
{
    size_t margin = ARCH_PAGE_MOST + (size / 4 < 65536 ? size / 4 : 65536);
    uintptr_t high = (uintptr_t)pthread_self();
    return (struct stack_range){size > margin && size < high ? high - size + margin : high, high};
}

static void notice_end(void)
{
    if (atomic_load_explicit(&threads.has_end_key, memory_order_acquire))
        libc.pthread_setspecific(threads.end_key, (void *)(uintptr_t)PTHREAD_DESTRUCTOR_ITERATIONS);
}

int thread_id(pthread_t handle)
{
    clockid_t clock = 0;
    if (!libc.pthread_getcpuclockid)
        return handle == pthread_self() ? (int)sys_call(SYS_gettid) : 0;
    return libc.pthread_getcpuclockid(handle, &clock) ? 0 : (int)(~(unsigned)clock >> 3);
}

/* musl lets stacks be smaller than a signal's frame. What runs there is not sampled. */
static bool is_too_small(size_t stack)
{
    enum { OWN = 8192 }; /* what a handler of ours and the program's own function may use */
    return stack && stack < getauxval(AT_MINSIGSTKSZ) + OWN;
}

static void begin(uint32_t slot)
{
    struct slot_private *own = &slot_private[slot];
    struct segment *segment = process_segment();
    struct stack_range stack;

    if (!segment)
        return;
    if (is_too_small(own->stack_low)) {
        atomic_store_explicit(&own->timer, SLOT_TIMER_NEVER, memory_order_relaxed);
        thread_local_state.ended = thread_local_state.is_small = 1;
    }
    stack = find_bounds(own->stack_low);
    own->stack_low = stack.low;
    own->stack_high = stack.high;
    occupy_self(segment, slot, thread_id(pthread_self()));
    notice_end();
}

static void begin_early(uint32_t number)
{
    size_t size = early[number - LAYOUT_THREADS].stack_size;

    thread_local_state.early_stack = size ? (uint8_t)(63 - __builtin_clzll(size)) & 63 : 0;
    free_early(number);
    if (is_too_small(size)) {
        thread_local_state.ended = thread_local_state.is_small = 1;
    } else if (process_attached()) {
        thread_adopt_self(0); /* somebody has joined meanwhile */
    } else {
        cpu_timer_start_unattached();
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
    if (!atomic_load_explicit(&threads.has_end_key, memory_order_acquire))
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

/* Takes over the slot that another thread took for this one. The bounds of the stack are not known to
   either. */
static bool take_over(struct segment *segment)
{
    uint32_t slot = find_slot(segment, (int)sys_call(SYS_gettid));
    struct seg_thread *thread = &segment->thread[slot];
    char name[16];

    if (!slot || !(atomic_load_explicit(&thread->flags, memory_order_relaxed) & THREAD_ADOPTED))
        return false;
    read_name(name);
    thread->handle = (uint64_t)pthread_self();
    atomic_store_explicit(&thread->name, thread_name_index(segment, name), memory_order_relaxed);
    atomic_fetch_and_explicit(&thread->flags, ~(uint32_t)THREAD_ADOPTED, memory_order_relaxed);
    thread_local_state.slot = slot;
    publish_labels(segment, slot);
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
        threads.main_stack_high = stack_high;
    if (!segment || thread_local_state.slot || thread_local_state.ended ||
        !seccomp_allows(CALL(gettid) | CALL(getpid) | CALL(timer_delete)) || process_is_vforked())
        return;
    if (take_over(segment))
        return;
    tid = (int)sys_call(SYS_gettid);
    is_main = tid == sys_call(SYS_getpid);
    slot = thread_slot_take(segment);
    if (!slot)
        return;
    /* In a child that another thread than the main one forked, the only thread runs on the stack of the one
       that forked. */
    if (is_main && (uintptr_t)__builtin_frame_address(0) < threads.main_stack_high &&
        threads.main_stack_high - (uintptr_t)__builtin_frame_address(0) < threads.main_stack) {
        slot_private[slot].stack_high = threads.main_stack_high;
        slot_private[slot].stack_low = threads.main_stack_high - threads.main_stack;
    } else {
        struct stack_range stack = thread_local_state.early_stack
                                       ? find_bounds((size_t)1 << thread_local_state.early_stack)
                                       : (struct stack_range){0, 0};
        slot_private[slot].stack_high = stack.high;
        slot_private[slot].stack_low = stack.low;
    }
    cpu_timer_stop_unattached();
    occupy_self(segment, slot, tid);
    if (!is_main)
        notice_end();
}

/* Two threads may try at once: the one that clears the tid does it. */
static void release(struct segment *segment, uint32_t slot, int tid)
{
    if (!atomic_compare_exchange_strong_explicit(&slot_private[slot].tid, &tid, 0, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    cpu_timer_stop(slot);
    thread_slot_give_back(segment, slot);
}

static void adopt_other(struct segment *segment, int tid, const char name[16])
{
    char copy[16] = {0};
    uint32_t slot = find_slot(segment, tid) ? 0 : thread_slot_take(segment);
    if (!slot)
        return;
    memcpy(copy, name, sizeof copy - 1);
    slot_private[slot].stack_low = slot_private[slot].stack_high = 0;
    if (occupy(segment, slot, tid, 0, copy) == -EINVAL) /* it ended since the uploader saw it */
        release(segment, slot, tid);
}

static void release_ended(struct segment *segment, int tid)
{
    uint32_t slot = find_slot(segment, tid);
    if (!slot || sys_call(SYS_tgkill, sys_call(SYS_getpid), tid, 0) != -ESRCH)
        return;
    release(segment, slot, tid);
}

/* The uploader lists threads that have no slot (raw clone, or started before the library), and as negative
   numbers threads whose end no hook saw. One handler claims each request. */
void threads_serve_uploader(struct segment *segment)
{
    uint32_t wanted = atomic_load_explicit(&segment->control.adopt_sequence, memory_order_acquire);
    uint32_t before = atomic_load_explicit(&threads.served, memory_order_relaxed), count;

    if (__builtin_expect(wanted == before, 1) ||
        !seccomp_allows(CALLS_TIMER | CALL(timer_delete) | CALL(tgkill) | CALL(getpid)) ||
        !atomic_compare_exchange_strong_explicit(&threads.served, &before, wanted, memory_order_relaxed,
                                                 memory_order_relaxed))
        return;
    count = atomic_load_explicit(&segment->control.adopt_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count && i < LAYOUT_ADOPT; i++) {
        int tid = atomic_load_explicit(&segment->control.adopt[i], memory_order_relaxed);
        if (tid > 0)
            adopt_other(segment, tid, segment->control.adopt_name[i]);
        else if (tid < 0)
            release_ended(segment, -tid);
    }
}

/* It took a slot by itself: at its own allocation, or because it was just created when the uploader saw it. */
bool thread_has_other(uint32_t slot)
{
    uint32_t own = thread_local_state.slot;
    return __builtin_expect(own != slot, 0) && own &&
           atomic_load_explicit(&slot_private[own].tid, memory_order_relaxed) ==
               atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed);
}

/* The thread that adopts it may not have stored its timer yet. Then the next signal drops the slot. */
void thread_drop(struct segment *segment, uint32_t slot)
{
    if (atomic_load_explicit(&slot_private[slot].timer, memory_order_relaxed) > 0)
        release(segment, slot, atomic_load_explicit(&slot_private[slot].tid, memory_order_relaxed));
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
        atomic_store_explicit(&segment->thread[slot].name, thread_name_index(segment, text),
                              memory_order_relaxed);
}
