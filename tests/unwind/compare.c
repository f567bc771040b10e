// SPDX-License-Identifier: Apache-2.0
// build: sampler/unwind/*.c sampler/cfi/*.c sampler/modules/*.c sampler/libc/*.c sampler/segment/code_frame.c sampler/segment/instruction.c
// build: sampler/base/clock.c sampler/base/nofault.c sampler/base/seccomp.c sampler/base/bpf.c sampler/base/weights.c
// build: -ftls-model=initial-exec -fno-stack-protector
/*
 * A preload of its own, never shipped: interrupts any program at a fast pace, walks each stack by our code
 * and by libunwind, and compares. Counts are kept in a file that is mapped shared, so that they outlive the
 * program.
 *
 *     COMPARE_OUT=DIR [COMPARE_US=200] [COMPARE_CLOCK=cpu] [COMPARE_FOREIGN=1] LD_PRELOAD=compare.so program
 *
 * COMPARE_CLOCK=cpu: the process's CPU time instead of real time, for programs whose work is done by other
 * threads than the first. COMPARE_FOREIGN: our walk is not told where the stack is.
 */
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sampler/base/sys.h"
#include "sampler/modules/modules.h"
#include "sampler/segment/layout.h"
#include "sampler/unwind/unwind.h"

#if defined(__aarch64__)
#define THEIRS "_ULaarch64_"
#else
#define THEIRS "_ULx86_64_"
#endif

enum { MOST = LAYOUT_FRAMES, TEXT = 256 * 1024, CAUSES = 256 };

#define OUTCOMES(X)                                                                                          \
    X(stacks)                                                                                                \
    X(frames)                                                                                                \
    X(equal) X(ours_longer) X(theirs_longer) X(different) X(truncated) X(deep) X(our_ticks) X(their_ticks)
#define X(name) name,
enum outcome { OUTCOMES(X) OUTCOME_COUNT };
#undef X

/* A difference is known by the last frame that both have. */
struct cause {
    _Atomic uint64_t pc, count, text;
};
struct result {
    _Atomic uint64_t count[OUTCOME_COUNT];
    struct cause cause[CAUSES];
    _Atomic uint32_t used;
    char text[TEXT];
};

/* libunwind, by dlopen: in the program's own scope its _Unwind_ functions would take over the exceptions. */
static struct {
    int (*init_local2)(unw_cursor_t *, unw_context_t *, int);
    int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
    int (*step)(unw_cursor_t *);
    int (*set_caching_policy)(unw_addr_space_t, unw_caching_policy_t);
    unw_addr_space_t *local_addr_space;
} their;
static struct result *result;
static _Atomic uint64_t rest_until; /* ticks */
static bool foreign, cpu_clock;
static long period_us = 200;
static __thread struct stack_range ranges[STACK_RANGES];
static __thread struct unwind_room room;
static __thread uint64_t ours[MOST], theirs[MOST];

static void count(enum outcome what, uint64_t n)
{
    atomic_fetch_add(&result->count[what], n);
}

/* The mapping that holds an address, by /proc/self/maps, without libc: this is a signal handler. */
static struct stack_range find_mapping(uintptr_t address)
{
    char buffer[2048];
    struct stack_range range = {0}, found = {0};
    uintptr_t number = 0;
    enum { LOW, HIGH, REST } state = LOW;
    long size, fd = sys_call(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while ((size = sys_call(SYS_read, fd, buffer, sizeof(buffer))) > 0) {
        for (long i = 0; i < size; i++) {
            char c = buffer[i];
            if (state != REST && c != '-' && c != ' ') {
                number = number * 16 + (uintptr_t)(c <= '9' ? c - '0' : c - 'a' + 10);
                continue;
            }
            if (state == LOW)
                range.low = number;
            else if (state == HIGH)
                range.high = number;
            state = c == '\n' ? LOW : state == REST ? REST : state + 1;
            number = 0;
            if (state == REST && address >= range.low && address < range.high)
                found = range;
        }
    }
    sys_call(SYS_close, fd);
    return found;
}

/* A thread has its own stack, and maybe an alternate one: which is which does not matter. */
static void find_ranges(uintptr_t sp)
{
    int place = 0;
    if (foreign)
        return;
    for (int i = 0; i < STACK_RANGES; i++)
        if (sp >= ranges[i].low && sp < ranges[i].high)
            return;
    struct stack_range found = find_mapping(sp);
    while (place < STACK_RANGES - 1 && ranges[place].high && ranges[place].high != found.high)
        place++;
    ranges[place] = found;
}

static unsigned walk_theirs(ucontext_t *context)
{
    unw_cursor_t cursor;
    unw_word_t pc;
    unsigned n = 0;
    if (their.init_local2(&cursor, (unw_context_t *)context, UNW_INIT_SIGNAL_FRAME) != 0)
        return 0;
    do {
        if (their.get_reg(&cursor, UNW_REG_IP, &pc) != 0 || pc == 0)
            break;
        theirs[n++] = pc;
    } while (n < MOST && their.step(&cursor) > 0);
    return n;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char line[PATH_MAX];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    uint32_t at = atomic_fetch_add(&result->used, (uint32_t)size);
    if (at + (uint32_t)size < TEXT)
        memcpy(result->text + at, line, (size_t)size);
}

static void say_stack(const char *who, const uint64_t *pc, unsigned n, unsigned from)
{
    say("  %s, %u frames:\n", who, n);
    for (unsigned i = from > 3 ? from - 3 : 0; i < n && i < from + 5; i++) {
        struct module module;
        const struct link_map *map = module_find(pc[i], &module) ? module.map : NULL;
        if (map)
            say("    %u %s 0x%lx\n", i, map->l_name[0] ? map->l_name : program_invocation_name,
                (unsigned long)(pc[i] - map->l_addr));
        else
            say("    %u - 0x%lx\n", i, (unsigned long)pc[i]);
    }
}

static void note_difference(const char *what, unsigned n, unsigned m, unsigned common, uint32_t flags)
{
    uint64_t pc = common ? ours[common - 1] : 1;
    for (unsigned i = 0; i < CAUSES; i++) {
        struct cause *cause = &result->cause[(pc + i) % CAUSES];
        uint64_t expected = 0;
        if (atomic_compare_exchange_strong(&cause->pc, &expected, pc)) {
            atomic_store(&cause->text, 1);
            say("%s (flags %u):\n", what, flags);
            say_stack("ours", ours, n, common);
            say_stack("theirs", theirs, m, common);
            say("\n");
        } else if (expected != pc) {
            continue;
        }
        atomic_fetch_add(&cause->count, 1);
        return;
    }
}

static void judge(const struct unwound *unwound, unsigned m)
{
    unsigned n = unwound->frames, common = 0;
    if (unwound->flags & STACK_DEEP) { /* libunwind has no frames beyond the gap */
        n = unwound->gap < n ? unwound->gap : n;
        m = m > n ? n : m;
    }
    while (common < n && common < m && ours[common] == theirs[common])
        common++;
    enum outcome what = common == n && n == m ? equal
                        : common == m         ? ours_longer
                        : common == n         ? theirs_longer
                                              : different;
    static const char *const name[] = {[ours_longer] = "ours longer",
                                       [theirs_longer] = "theirs longer",
                                       [different] = "different",
                                       [equal] = "both cut"};
    count(stacks, 1);
    count(frames, n);
    count(what, 1);
    count(truncated, (unwound->flags & STACK_TRUNCATED) != 0);
    count(deep, (unwound->flags & STACK_DEEP) != 0);
    if (what != equal || (unwound->flags & STACK_TRUNCATED))
        note_difference(name[what], n, m, common, unwound->flags);
}

/* The program keeps half of the time, however long its stacks take. */
static bool is_too_soon(uint64_t now)
{
    return now < atomic_load(&rest_until);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    struct arch_regs regs;
    uint64_t start_ticks = arch_ticks();
    (void)number, (void)info;
    if (is_too_soon(start_ticks))
        return;
    arch_from_signal(&regs, context);
    find_ranges(regs.r[ARCH_SP]);
    uint64_t our_start = arch_ticks();
    struct unwound unwound =
        unwind_stack(NULL, &(struct unwind_from){&regs, ranges, NULL}, &room, ours, MOST);
    uint64_t their_start = arch_ticks();
    unsigned n = walk_theirs(context);
    uint64_t end_ticks = arch_ticks();
    if (unwound.frames > 0) { /* else it was we who were interrupted */
        count(our_ticks, their_start - our_start);
        count(their_ticks, end_ticks - their_start);
        judge(&unwound, n);
    }
    end_ticks = arch_ticks();
    atomic_store(&rest_until, end_ticks + (end_ticks - start_ticks));
    errno = saved;
}

static void start_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    struct itimerspec period = {{0, period_us * 1000}, {0, period_us * 1000}};
    timer_t timer;
    if (timer_create(cpu_clock ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &event, &timer) == 0)
        timer_settime(timer, 0, &period, NULL);
}

static void map_result(const char *directory)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s.%d", directory, program_invocation_short_name, (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || ftruncate(fd, sizeof(struct result)) != 0)
        return;
    void *map = mmap(NULL, sizeof(struct result), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    result = map == MAP_FAILED ? NULL : map;
    close(fd);
}

static bool find_libunwind(void)
{
    static const struct {
        void *to;
        const char *name;
    } symbol[] = {
        {&their.init_local2, "init_local2"},
        {&their.get_reg, "get_reg"},
        {&their.step, "step"},
        {&their.set_caching_policy, "set_caching_policy"},
        {&their.local_addr_space, "local_addr_space"},
    };
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    for (unsigned i = 0; i < sizeof(symbol) / sizeof(symbol[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), THEIRS "%s", symbol[i].name);
        void *found = library ? dlsym(library, name) : NULL;
        if (!found)
            return false;
        memcpy(symbol[i].to, &found, sizeof(found));
    }
    their.set_caching_policy(*their.local_addr_space, UNW_CACHE_GLOBAL);
    return true;
}

__attribute__((constructor)) static void start(void)
{
    const char *directory = getenv("COMPARE_OUT"), *period = getenv("COMPARE_US"),
               *clock = getenv("COMPARE_CLOCK");
    if (!directory || !find_libunwind())
        return;
    map_result(directory);
    if (!result)
        return;
    period_us = period ? atol(period) : period_us;
    cpu_clock = clock && strcmp(clock, "cpu") == 0;
    foreign = getenv("COMPARE_FOREIGN") != NULL;
    unwind_start();
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    pthread_atfork(NULL, NULL, start_timer);
    start_timer();
}
