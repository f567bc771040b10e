/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locking all memory. The kernel counts everything that is mapped against the limit, touched or not, and makes
 * all of it resident. With the segment and the tables of the library, the call would exceed the limit of a
 * program that has planned for its own memory. So all other mappings are locked one by one, where the kernel
 * would lock them for the program alone.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "hooks/hooks.h"
#include "sampler/base/seccomp.h"
#include "sampler/base/sys.h"
#include "sampler/process/process.h"

/* Where this library lies. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char __bss_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

enum { ANY = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT, BUFFER = 2048 };

static long open_own(const char *path)
{
    return sys_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

static bool is_digit(char c, unsigned base, unsigned *digit)
{
    *digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
             : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                    : 16;
    return *digit < base;
}

static uint64_t read_number(const char **text, unsigned base)
{
    uint64_t number = 0;
    unsigned digit;
    for (; is_digit(**text, base, &digit); ++*text)
        number = number * base + digit;
    return number;
}

/* A line of /proc/self/maps: "start-end rwxp offset device inode  name". */
struct mapping {
    uintptr_t start, end;
    bool is_file;
};

static struct mapping read_mapping(const char *line)
{
    struct mapping mapping;
    mapping.start = (uintptr_t)read_number(&line, 16);
    line += *line == '-';
    mapping.end = (uintptr_t)read_number(&line, 16);
    for (int spaces = 0; *line && spaces < 4; line++)
        spaces += *line == ' ';
    mapping.is_file = read_number(&line, 10) != 0;
    return mapping;
}

/* The segment, and the library's tables. The library's code and constants are locked, since the program's
   calls run through them. */
static bool is_spared(struct mapping mapping)
{
    if (process_is_segment(mapping.start, mapping.end))
        return true;
    return mapping.start >= (uintptr_t)(mapping.is_file ? __bss_start : __ehdr_start) &&
           mapping.start < (uintptr_t)_end;
}

/* Calls visit for each mapping of this process. false: they cannot be read. */
static bool visit_mappings(void (*visit)(struct mapping mapping, void *context), void *context)
{
    char buffer[BUFFER];
    size_t have = 0;
    bool skipping = false; /* a line that is longer than the buffer, whose head has been seen */
    long got, fd = open_own("/proc/self/maps");

    if (fd < 0)
        return false;
    while ((got = sys_call(SYS_read, fd, buffer + have, sizeof buffer - 1 - have)) > 0) {
        char *line = buffer, *end;
        buffer[have += (size_t)got] = 0;
        while ((end = __builtin_strchr(line, '\n')) || (line == buffer && have == sizeof buffer - 1)) {
            if (!skipping)
                visit(read_mapping(line), context);
            skipping = !end;
            line = end ? end + 1 : buffer + have;
        }
        have -= (size_t)(line - buffer);
        __builtin_memmove(buffer, line, have);
    }
    sys_call(SYS_close, fd);
    return !got;
}

struct sizes {
    uint64_t all, spared;
};

static void add_size(struct mapping mapping, void *context)
{
    struct sizes *sizes = context;
    sizes->all += mapping.end - mapping.start;
    sizes->spared += is_spared(mapping) ? mapping.end - mapping.start : 0;
}

static void lock_mapping(struct mapping mapping, void *context)
{
    /* A mapping that cannot be locked is skipped, as mlockall() does. */
    if (!is_spared(mapping))
        sys_call(SYS_mlock2, mapping.start, mapping.end - mapping.start, *(const int *)context);
}

/* true: the kernel lets this process lock more than its limit. It is asked for one byte more, of readable
   memory, since old kernels (5.10) do not lock any other. */
static bool may_exceed(uint64_t limit)
{
    uint64_t size = (limit / LAYOUT_PAGE + 1) * LAYOUT_PAGE;
    long result,
        at = sys_call(SYS_mmap, 0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at <= 0)
        return false;
    result = sys_call(SYS_mlock2, at, size, MLOCK_ONFAULT);
    sys_call(SYS_munmap, at, size);
    return !result;
}

/* true: the kernel would lock everything if nothing of the library were mapped. */
static bool would_lock(void)
{
    struct sizes sizes = {0, 0};
    struct rlimit limit = {0, 0};

    if (!visit_mappings(add_size, &sizes) || sys_call(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, &limit))
        return false;
    return limit.rlim_cur == RLIM_INFINITY || sizes.all - sizes.spared <= limit.rlim_cur ||
           may_exceed(limit.rlim_cur);
}

/* Each call replaces what calls before it have asked for. */
static int lock_future(int flags)
{
    static _Atomic uint32_t locked;
    int result = 0;

    if (flags & MCL_FUTURE)
        result = real.mlockall(flags & ~MCL_CURRENT);
    else if (atomic_load_explicit(&locked, memory_order_relaxed))
        sys_call(SYS_munlockall);
    if (!result) {
        process_keep_unlocked();
        atomic_store_explicit(&locked, flags & MCL_FUTURE, memory_order_relaxed);
    }
    return result;
}

int mlockall(int flags)
{
    int on_fault = flags & MCL_ONFAULT ? MLOCK_ONFAULT : 0;

    if (!(flags & (MCL_CURRENT | MCL_FUTURE)) || flags & ~ANY || !seccomp_allows(CALL(launch)) ||
        (flags & MCL_CURRENT && !would_lock()))
        return real.mlockall(flags);
    if (lock_future(flags))
        return -1;
    if (flags & MCL_CURRENT)
        visit_mappings(lock_mapping, &on_fault);
    return 0;
}
