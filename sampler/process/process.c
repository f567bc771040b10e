/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "sampler/base/clock.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/base/weights.h"
#include "sampler/libc/libc.h"
#include "sampler/modules/peek.h"

#include "sampler/base/poison.h"

enum { NS_PER_S = 1000000000 };
static const uint64_t retry_ns = 10ull * NS_PER_S;
/* The uploader's heartbeat comes every second. After a silence of this length the uploader is looked for,
   as often as ask_again_ns says. */
static const uint64_t uploader_silent_ns = 2ull * NS_PER_S;
static const uint64_t ask_again_ns = NS_PER_S;
/* At the process's end there is no later time to ask. */
static const uint64_t silent_at_exit_ns = 5ull * NS_PER_S / 4;

struct fork_mark *process_mark;
_Atomic(struct segment *) process_current;

static struct {
    /* Written by process_start(). */
    struct process_settings settings;
    const struct process_ops *ops;
    /* Written by process_start() and by become_child(), when there is one thread. */
    int own_pid;               /* the process that all this belongs to */
    uint64_t forked_ticks;     /* 0: it was started by exec */
    uint64_t program_start_ns; /* CLOCK_MONOTONIC when it was executed */
    uint32_t profiles_at_join; /* of the next segment */
    struct segment *parents;   /* where a forked child has put memory in place of its parent's segment */
    /* Any thread, at any time. */
    _Atomic uint32_t profiles_unattached; /* what process_profiles points to while there is no segment */
    _Atomic uint32_t keeps_unlocked;      /* mlockall(MCL_FUTURE) was called */
    _Atomic uint32_t joining;     /* held while the segment is made or replaced; tried, never waited for */
    _Atomic uint64_t next_try_ns; /* CLOCK_MONOTONIC; before it no other attempt to join is made */
    _Atomic uint64_t next_ask_ns; /* nor is it asked whether the uploader lives */
} process;
const _Atomic uint32_t *_Atomic process_profiles = &process.profiles_unattached;

int process_start(const struct process_settings *given, const struct process_ops *given_ops)
{
    long page =
        sys_call(SYS_mmap, 0, LAYOUT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long result;
    if (page <= 0)
        return (int)page;
    result = sys_call(SYS_madvise, page, LAYOUT_PAGE, MADV_WIPEONFORK);
    if (result < 0) {
        sys_call(SYS_munmap, page, LAYOUT_PAGE);
        return (int)result;
    }
    clock_start();
    process.settings = *given;
    process.own_pid = (int)sys_call(SYS_getpid);
    process.ops = given_ops;
    process.program_start_ns = clock_ns(CLOCK_MONOTONIC);
    process.profiles_at_join = given->starts_paused || given->start_delay_ns ? 0 : given->profiles;
    weights_seed(clock_ticks() ^ (uint64_t)sys_call(SYS_getpid) << 32);
    process_mark = (struct fork_mark *)page;
    atomic_store_explicit(&process.profiles_unattached, process.settings.profiles, memory_order_relaxed);
    atomic_store_explicit(&process_mark->state, STARTED, memory_order_release);
    return 0;
}

/* A memfd of the segment's size, sealed against resizing. Beyond a limit on file sizes, ftruncate() would
   not only fail but send SIGXFSZ. So the limit is read first. */
static int make_memfd(void)
{
    struct rlimit limit = {0, 0};
    long fd, result;

    if (!sys_call(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, &limit) && limit.rlim_cur < sizeof(struct segment))
        return -EFBIG;
    fd = sys_call(SYS_memfd_create, "cprof", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return (int)fd;
    result = sys_call(SYS_ftruncate, fd, sizeof(struct segment));
    if (!result)
        result = sys_call(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (result) {
        sys_call(SYS_close, fd);
        return (int)result;
    }
    return (int)fd;
}

/*
 * Kept out of core dumps, because the uploader has it and most of it is holes. If the program has asked that
 * its memory be locked, a new mapping is locked when it is made, and fails beyond the limit. So a small one is
 * made, unlocked and then made larger, which leaves it unlocked.
 */
static long map_segment(int fd)
{
    size_t size = atomic_load_explicit(&process.keeps_unlocked, memory_order_relaxed)
                      ? LAYOUT_PAGE
                      : sizeof(struct segment);
    long whole, at = sys_call(SYS_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);

    if (at <= 0)
        return at;
    if (size < sizeof(struct segment)) {
        sys_call(SYS_munlock, at, size);
        whole = sys_call(SYS_mremap, at, size, sizeof(struct segment), MREMAP_MAYMOVE);
        if (whole <= 0) {
            sys_call(SYS_munmap, at, size);
            return whole;
        }
        at = whole;
    }
    sys_call(SYS_madvise, at, sizeof(struct segment), MADV_DONTDUMP);
    return at;
}

static void fill_settings(struct segment *segment)
{
    const struct process_settings *settings = &process.settings;
    struct seg_given *given = &segment->header.given;
    struct seg_control *control = &segment->control;

    *given = (struct seg_given){.profiles = settings->profiles,
                                .cpu_period_ns = settings->cpu_hz ? NS_PER_S / settings->cpu_hz : 0,
                                .memory_rate = settings->memory_rate,
                                .mutex_fraction = settings->mutex_fraction,
                                .block_rate_ns = settings->block_rate_ns,
                                .rates_given = settings->rates_given,
                                .start_delay_ns = settings->start_delay_ns,
                                .duration_ns = settings->duration_ns,
                                .program_start_ns = process.program_start_ns};
    control->profiles = process.profiles_at_join;
    control->cpu_period_ns = given->cpu_period_ns;
    control->memory_rate = given->memory_rate;
    control->mutex_fraction = given->mutex_fraction;
    control->block_rate_ns = given->block_rate_ns;
    control->asked = (struct seg_rates){.profiles = control->profiles,
                                        .cpu_period_ns = control->cpu_period_ns,
                                        .memory_rate = control->memory_rate,
                                        .mutex_fraction = control->mutex_fraction,
                                        .block_rate_ns = control->block_rate_ns,
                                        .given = given->rates_given,
                                        .budget_ppm = settings->budget_ppm};
}

static void fill_header(struct segment *segment)
{
    struct seg_header *header = &segment->header;
    struct seg_control *control = &segment->control;
    int pid = (int)sys_call(SYS_getpid);

    header->magic = LAYOUT_MAGIC;
    header->version = LAYOUT_VERSION;
    header->pid = pid;
    header->size = sizeof(struct segment);
    header->start_ticks = clock_ticks();
    header->start_monotonic_ns = clock_ns(CLOCK_MONOTONIC);
    header->start_realtime_ns = clock_ns(CLOCK_REALTIME);
    header->flags = (process.forked_ticks ? SEGMENT_FORKED : 0) | (pid == 1 ? SEGMENT_PID1 : 0) |
                    (clock_ticks_are_ns() ? SEGMENT_NS_TICKS : 0) |
                    (libc.kind == LIBC_MUSL ? SEGMENT_MUSL : 0);
    memcpy(header->program, process.settings.program, sizeof header->program);
    memcpy(header->name, process.settings.name, sizeof header->name);
    memcpy(header->labels, process.settings.labels, sizeof header->labels);
    header->strings = 1;    /* offset 0 stands for no string */
    header->used_slots = 1; /* slot 0 is never given out */
    fill_settings(segment);
    control->heartbeat_ns = header->start_monotonic_ns;
    segment->bank[0].generation = 1;
    process.ops->describe(segment);
}

static int join(void)
{
    struct segment *segment;
    long at;
    int result, fd = make_memfd();

    if (fd < 0)
        return fd;
    at = map_segment(fd);
    if (at <= 0) {
        sys_call(SYS_close, fd);
        return (int)at;
    }
    segment = (struct segment *)at;
    fill_header(segment);
    result = process.ops->hand_over(fd, segment);
    sys_call(SYS_close, fd);
    if (result) {
        sys_call(SYS_munmap, at, sizeof(struct segment));
        return result;
    }
    peek_keep(segment);
    atomic_store_explicit(&process_current, segment, memory_order_release);
    /* Release: who reads the profiles by this pointer reads those that the segment was filled with. */
    atomic_store_explicit(&process_profiles, &segment->control.profiles, memory_order_release);
    return 0;
}

/* In a child of vfork() a segment would be handed over as the child's, and be taken for ended with it. */
static bool is_borrowed(void)
{
    return process.own_pid != sys_call(SYS_getpid) && process.own_pid == sys_call(SYS_getppid);
}

/* A segment can be made, and handed over. */
static bool may_join(void)
{
    return seccomp_allows(CALLS_SEGMENT) && seccomp_allows(CALLS_SESSION);
}

/* One thread joins, or looks for the uploader, at a time. Other threads go without it meanwhile. Acquire and release
   pair with each other. */
static bool begin_joining(void)
{
    uint32_t idle = 0;
    return !is_borrowed() && atomic_compare_exchange_strong_explicit(
                                 &process.joining, &idle, 1, memory_order_acquire, memory_order_relaxed);
}

static void end_joining(void)
{
    atomic_store_explicit(&process.joining, 0, memory_order_release);
}

int process_join(void)
{
    uint64_t now;
    int result;

    if (!process_mark || !may_join())
        return -EAGAIN;
    now = clock_ns(CLOCK_MONOTONIC_COARSE);
    if (now < atomic_load_explicit(&process.next_try_ns, memory_order_relaxed) || !begin_joining())
        return -EAGAIN;
    result = atomic_load_explicit(&process_current, memory_order_acquire) ? 0 : join();
    if (result)
        atomic_store_explicit(&process.next_try_ns, now + retry_ns, memory_order_relaxed);
    end_joining();
    return result;
}

/* In a child of fork(), which has one thread: nothing of the parent's is touched from here on. */
static void become_child(void)
{
    struct segment *segment = atomic_load_explicit(&process_current, memory_order_relaxed);

    /* Its uploader may have told the parent to record nothing. What the child's own is told comes later. */
    if (segment)
        process.profiles_at_join = atomic_load_explicit(&segment->control.profiles, memory_order_relaxed);
    process.parents = segment ? segment : process.parents;
    atomic_store_explicit(&process_current, NULL, memory_order_relaxed);
    peek_keep(NULL);
    atomic_store_explicit(&process_profiles, &process.profiles_unattached, memory_order_relaxed);
    atomic_store_explicit(&process.joining, 0, memory_order_relaxed);
    atomic_store_explicit(&process.next_try_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&process.next_ask_ns, 0, memory_order_relaxed);
    clock_fork_child();
    process.forked_ticks = clock_ticks();
    if (seccomp_allows(CALL(getpid)))
        process.own_pid = (int)sys_call(SYS_getpid);
    /* Not unmapped, because a handler that forked may have interrupted a hook, which goes on with its
       pointer. */
    if (process.parents && seccomp_allows(CALL(map)))
        sys_call(SYS_mmap, process.parents, sizeof(struct segment), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    weights_seed(clock_ticks() ^ (uint64_t)process.own_pid << 32);
    process.ops->forget();
    atomic_store_explicit(&process_mark->state, STARTED, memory_order_release);
}

struct segment *process_attached(void)
{
    if (__builtin_expect(!process_mark, 0))
        return NULL;
    if (__builtin_expect(atomic_load_explicit(&process_mark->state, memory_order_acquire) == FORKED, 0))
        become_child();
    return atomic_load_explicit(&process_current, memory_order_acquire);
}

struct segment *process_segment(void)
{
    struct segment *segment = process_attached();

    if (__builtin_expect(!segment && process_mark, 0)) {
        if (process_join())
            return NULL;
        segment = atomic_load_explicit(&process_current, memory_order_acquire);
    }
    return segment;
}

bool process_rate_is_given(enum profile_type profile)
{
    struct segment *segment = process_attached();
    uint32_t given = segment ? atomic_load_explicit(&segment->control.asked.given, memory_order_relaxed)
                             : process.settings.rates_given;
    return given & 1u << profile;
}

uint32_t process_budget_ppm(void)
{
    return process.settings.budget_ppm;
}

uint64_t process_memory_rate(void)
{
    return process.settings.profiles & 1u << PROFILE_MEMORY ? process.settings.memory_rate : 0;
}

uint64_t process_forked_ticks(void)
{
    return process.forked_ticks;
}

bool process_is_vforked(void)
{
    return process_mark && atomic_load_explicit(&process_mark->state, memory_order_acquire) == STARTED &&
           seccomp_allows(CALL(getpid)) && process.own_pid != sys_call(SYS_getpid);
}

uint32_t process_cpu_period(void)
{
    return process.settings.cpu_hz && process.settings.profiles & 1u << PROFILE_CPU
               ? NS_PER_S / process.settings.cpu_hz
               : 0;
}

/* Pages of zeros are not copied: written, they would take memory in the new segment. */
static void copy_part(struct segment *to, const struct segment *from, size_t start, size_t size)
{
    static const uint64_t empty[LAYOUT_PAGE / sizeof(uint64_t)];
    size_t end = (start + size + LAYOUT_PAGE - 1) / LAYOUT_PAGE * LAYOUT_PAGE;
    for (size_t at = start / LAYOUT_PAGE * LAYOUT_PAGE; at < end; at += LAYOUT_PAGE)
        if (memcmp((const char *)from + at, empty, LAYOUT_PAGE) != 0)
            memcpy((char *)to + at, (const char *)from + at, LAYOUT_PAGE);
}

/* Copies what is in use of the old segment. */
static void copy_segment(struct segment *to, const struct segment *from)
{
    copy_part(to, from, 0,
              offsetof(struct segment, thread) + from->header.used_slots * sizeof from->thread[0]);
    copy_part(to, from, offsetof(struct segment, live), sizeof from->live);
    for (size_t i = 0; i < LAYOUT_BANKS; i++) {
        const struct seg_bank *bank = &from->bank[i];
        size_t start = offsetof(struct segment, bank) + i * sizeof *bank;
        uint32_t samples = bank->samples, words = bank->stack_words;
        samples = samples < LAYOUT_SAMPLES ? samples : LAYOUT_SAMPLES;
        words = words < LAYOUT_STACK_WORDS - 8 ? words + 8 : LAYOUT_STACK_WORDS;
        copy_part(to, from, start, offsetof(struct seg_bank, sample) + samples * sizeof bank->sample[0]);
        copy_part(to, from, start + offsetof(struct seg_bank, stack_word),
                  words * sizeof bank->stack_word[0]);
    }
    to->header.flags |= SEGMENT_RESUMED;
    to->control.uploader_pid = 0;
    to->control.wrong_session = 0;
    to->control.heartbeat_ns = clock_ns(CLOCK_MONOTONIC);
}

/*
 * The uploader is gone. The process holds no descriptor of the segment any more, so another segment takes
 * its place, at the same address, with the same contents. So what the old uploader had not handed on (value
 * minus acked) reaches the new one. What other threads add between copy and mapping is lost.
 */
static int resume(struct segment *segment)
{
    int result = 0, fd = make_memfd();
    long copy, moved;

    if (fd < 0)
        return fd;
    copy = map_segment(fd);
    if (copy <= 0) {
        sys_call(SYS_close, fd);
        return (int)copy;
    }
    copy_segment((struct segment *)copy, segment);
    moved = sys_call(SYS_mremap, copy, sizeof(struct segment), sizeof(struct segment),
                     MREMAP_MAYMOVE | MREMAP_FIXED, segment);
    if (moved > 0)
        result = process.ops->hand_over(fd, segment);
    else
        sys_call(SYS_munmap, copy, sizeof(struct segment));
    sys_call(SYS_close, fd);
    return moved > 0 ? result : (int)moved;
}

/* One load, from the cache line of the heartbeat. */
static bool is_refused(const struct segment *segment)
{
    return __builtin_expect(atomic_load_explicit(&segment->control.wrong_session, memory_order_relaxed) != 0,
                            0);
}

/* While the keeper lives the name has a listener, and the keeper replaces the uploader. */
static int ask_uploader(struct segment *segment, uint64_t silent_ns)
{
    int pid = atomic_load_explicit(&segment->control.uploader_pid, memory_order_relaxed);

    if (is_refused(segment))
        return process.ops->next_session() ? resume(segment) : -1;
    return process.ops->uploader_alive(pid, silent_ns) ? 0 : resume(segment);
}

void process_check_uploader(struct segment *segment)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    uint64_t heartbeat = atomic_load_explicit(&segment->control.heartbeat_ns, memory_order_relaxed);

    if (__builtin_expect(now < heartbeat + uploader_silent_ns && !is_refused(segment), 1) || !may_join())
        return;
    if (now < atomic_load_explicit(&process.next_ask_ns, memory_order_relaxed) || !begin_joining())
        return;
    atomic_store_explicit(&process.next_ask_ns, now + ask_again_ns, memory_order_relaxed);
    if (ask_uploader(segment, now - heartbeat))
        atomic_store_explicit(&process.next_ask_ns, now + retry_ns, memory_order_relaxed);
    end_joining();
}

/* The last chance to hand over what has not been read. */
static void check_at_exit(struct segment *segment)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC_COARSE);
    uint64_t heartbeat = atomic_load_explicit(&segment->control.heartbeat_ns, memory_order_relaxed);

    if ((now < heartbeat + silent_at_exit_ns && !is_refused(segment)) || !may_join() || !begin_joining())
        return;
    ask_uploader(segment, UINT64_MAX);
    end_joining();
}

void process_exit(int status)
{
    static const struct timespec pause = {0, 20000000};
    struct segment *segment =
        process_mark ? atomic_load_explicit(&process_current, memory_order_acquire) : NULL;

    if (!segment || atomic_load_explicit(&process_mark->state, memory_order_acquire) == FORKED)
        return;
    check_at_exit(segment);
    atomic_store_explicit(&segment->header.ended_ticks, clock_ticks(), memory_order_relaxed);
    atomic_store_explicit(&segment->header.ended, 1 + (uint32_t)(status & 0xff), memory_order_release);
    if (!(segment->header.flags & SEGMENT_PID1) || !seccomp_allows(CALLS_SESSION))
        return;
    /* The end of pid 1 ends the container, and the uploader in it. So it waits for the last profiles to be
       sent, 10 s at most, as long as there is an uploader. One that has not started yet counts while its
       socket listens. */
    for (int i = 0; i < 500 && !atomic_load_explicit(&segment->control.finished, memory_order_acquire); i++) {
        int uploader = atomic_load_explicit(&segment->control.uploader_pid, memory_order_relaxed);
        if (i % 10 == 0 && !process.ops->uploader_alive(uploader ? uploader : ANY_UPLOADER, 0))
            return;
        sys_call(SYS_nanosleep, &pause, 0);
    }
}

void process_keep_unlocked(void)
{
    atomic_store_explicit(&process.keeps_unlocked, 1, memory_order_relaxed);
}

bool process_is_segment(uintptr_t start, uintptr_t end)
{
    uintptr_t own = (uintptr_t)process_attached(), former = (uintptr_t)process.parents;
    return (own && start < own + sizeof(struct segment) && end > own) ||
           (former && start < former + sizeof(struct segment) && end > former);
}

void process_note_unload(void)
{
    struct segment *segment = process_attached();
    if (segment)
        atomic_fetch_add_explicit(&segment->header.unloads, 1, memory_order_relaxed);
}
