/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a process's memory: copies of stacks, many by one system call, and how far a stack may be read. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "unwind_state.h"
#include "uploader/process/owner.h"

static ssize_t read_vector(struct unwinder *unwinder, const struct iovec *local, const struct iovec *remote,
                           unsigned count)
{
    const struct owner *owner = unwinder->maps.source->owner;
    ssize_t got = owner_copy(owner, unwinder->maps.tid, local, remote, count);

    if (got == -ESRCH && proc_maps_take_living(&unwinder->maps))
        got = owner_copy(owner, unwinder->maps.tid, local, remote, count);
    return got;
}

static ssize_t read_process(struct unwinder *unwinder, uint64_t from, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    return read_vector(unwinder, &local, &remote, 1);
}

bool unwinder_read(struct unwinder *unwinder, uint64_t address, void *to, size_t size)
{
    return read_process(unwinder, address, to, size) == (ssize_t)size;
}

void unwind_forget(struct unwinder *unwinder)
{
    unw_flush_cache(unwinder->space, 0, 0);
    memset(unwinder->code, 0, sizeof unwinder->code);
}

void unwind_read_maps(struct unwinder *unwinder)
{
    if ((int32_t)(unwinder->sample - unwinder->read_next) < 0)
        return;
    unwinder->read_last = unwinder->sample;
    unwinder->read_next = unwinder->sample + 1;
    if (!proc_maps_read(&unwinder->maps, false))
        return;
    unwind_forget(unwinder);
    unwinder->changed = true;
}

bool unwind_may_read(struct unwinder *unwinder, int32_t reads)
{
    unwinder->walk_reads -= reads;
    unwinder->sample_reads -= reads;
    return unwinder->walk_reads > 0 && unwinder->sample_reads > 0;
}

/* How far the stack that this address is in may be read. That is the end of the thread's stack, if it is known. Else it is
   the end of the mapping, if that was read a short while ago. Else it is the end of the page. */
static uint64_t limit_of(const struct unwinder *unwinder, uint64_t sp, uint64_t low, uint64_t high)
{
    const struct region *region = NULL;

    if (low && sp >= low && sp < high)
        return high;
    if (unwinder->sample - unwinder->read_last < SAMPLES_KNOWN)
        region = proc_maps_find_region(&unwinder->maps, sp);
    return region ? region->end : (sp | (UNWIND_PAGE - 1)) + 1;
}

static bool make_room(uint8_t **buffer, size_t *room, size_t size)
{
    uint8_t *grown;

    if (size <= *room)
        return true;
    grown = realloc(*buffer, size);
    if (!grown)
        return false;
    *buffer = grown;
    *room = size;
    return true;
}

/* Gives each copy its place in the buffer and its size. Returns how long the buffer must be. */
static size_t copies_place(const struct unwinder *unwinder, struct stack_copy *copy, unsigned count)
{
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t base = copy[i].sp & ~UINT64_C(7);
        uint64_t most = limit_of(unwinder, base, copy[i].low, copy[i].high) - base;
        size_t size = copy[i].size < UNWIND_COPY_MOST ? copy[i].size : UNWIND_COPY_MOST;
        copy[i].at = at;
        copy[i].got = size < most ? size : (size_t)most;
        copy[i].error = 0;
        at += copy[i].got;
    }
    return at;
}

/* Reads copies by one system call, which stops at the first that cannot be read. Returns how many are done then. */
static unsigned copies_read(struct unwinder *unwinder, struct stack_copy *copy, unsigned count)
{
    struct iovec local[UNWIND_COPIES] = {0}, remote[UNWIND_COPIES] = {0};
    unsigned i;
    ssize_t got;

    for (i = 0; i < count; i++) {
        local[i] = (struct iovec){unwinder->batch + copy[i].at, copy[i].got};
        remote[i] = (struct iovec){(void *)(uintptr_t)(copy[i].sp & ~UINT64_C(7)), copy[i].got};
    }
    got = read_vector(unwinder, local, remote, count);
    if (got < 0 && got != -EFAULT) {
        for (i = 0; i < count; i++)
            copy[i].error = (int)got;
        return count;
    }
    for (i = 0; i < count && got >= (ssize_t)copy[i].got; i++)
        got -= (ssize_t)copy[i].got;
    if (i == count)
        return count;
    copy[i].got = got > 0 ? (size_t)got : 0;
    copy[i].error = got > 0 ? 0 : -EFAULT;
    return i + 1;
}

void unwinder_copy(struct unwinder *unwinder, struct stack_copy *copy, unsigned count)
{
    if (!make_room(&unwinder->batch, &unwinder->batch_room, copies_place(unwinder, copy, count))) {
        for (unsigned i = 0; i < count; i++)
            copy[i].error = -ENOMEM;
        return;
    }
    for (unsigned done = 0; done < count;)
        done += copies_read(unwinder, copy + done, count - done);
    unwinder_use(unwinder, copy);
}

void unwinder_use(struct unwinder *unwinder, const struct stack_copy *copy)
{
    unwinder->first = *copy;
    unwinder->copy = unwinder->batch + copy->at;
    unwinder->size = copy->error ? 0 : copy->got;
    unwinder->base = copy->sp & ~UINT64_C(7);
    unwinder->low = copy->low;
    unwinder->high = copy->high;
}

void unwind_begin(struct unwinder *unwinder)
{
    if (unwinder->base != (unwinder->first.sp & ~UINT64_C(7)))
        unwinder_use(unwinder, &unwinder->first);
}

uint64_t unwind_stack_limit(struct unwinder *unwinder)
{
    uint64_t limit = limit_of(unwinder, unwinder->base, unwinder->low, unwinder->high);

    if (limit == unwinder->high || limit > unwinder->base + unwinder->size)
        return limit;
    unwind_read_maps(unwinder);
    return limit_of(unwinder, unwinder->base, unwinder->low, unwinder->high);
}

bool unwind_copy_more(struct unwinder *unwinder)
{
    uint64_t end = unwinder->base + unwinder->size, limit = unwind_stack_limit(unwinder);
    size_t size = limit - end < COPY_STEP ? (size_t)(limit - end) : COPY_STEP;
    bool is_longer = unwinder->copy == unwinder->longer; /* asked before that may move */
    ssize_t got;

    if (limit <= end || !make_room(&unwinder->longer, &unwinder->longer_room, unwinder->size + size))
        return false;
    if (unwinder->size >= COPY_LONGEST) {
        unwinder->base = end;
        unwinder->size = 0;
    }
    if (!is_longer)
        memcpy(unwinder->longer, unwinder->copy, unwinder->size);
    unwinder->copy = unwinder->longer;
    got = read_process(unwinder, end, unwinder->longer + unwinder->size, size);
    unwinder->size += got > 0 ? (size_t)got : 0;
    return got > 0;
}

bool unwinder_word(const struct unwinder *unwinder, uint64_t address, uint64_t *word)
{
    uint64_t at = address - unwinder->base;

    if (unwinder->size < sizeof *word || at > unwinder->size - sizeof *word)
        return false;
    memcpy(word, unwinder->copy + at, sizeof *word);
    return true;
}

bool unwinder_return_address(const struct unwinder *unwinder, uint64_t address, uint64_t *pc)
{
    if (!unwinder_word(unwinder, address, pc))
        return false;
    *pc = machine_code_address(*pc);
    return true;
}
