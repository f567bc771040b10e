/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind.h"

#include <stdlib.h>
#include <string.h>

#include "unwind_state.h"
#include "uploader/base/clock.h"

enum {
    /* Words that may be read: call frame information is a program of the target's, and may run for ever. */
    WALK_READS = 20 * 1000,
    FRAME_READS = 500,               /* more for each frame that was found: more than an honest table needs */
    SAMPLE_READS = 20 * 1000 * 1000, /* of all threads in one wall sample */
    SAMPLES_PAUSE = 20,              /* before mappings are read again if the last time was in vain */
    FRAME_WORDS = 64,                /* in which a saved frame pointer is searched */
    FRAME_TRIES = 8,                 /* of words that may be one */
    /* Walks of more frames than LONG_FREE take one part in LONG_SHARE of the time at most. */
    LONG_FREE = 4096,
    LONG_MOST = 128 * 1024,
    LONG_SHARE = 32,
};

/* Opens also the files of mappings that stay: another file may have taken the place of the first. */
static void read_fresh(struct unwinder *unwinder)
{
    if (unwinder->read_fresh == unwinder->sample)
        return;
    unwinder->read_fresh = unwinder->read_last = unwinder->sample;
    proc_maps_read(&unwinder->maps, true);
    unwind_forget(unwinder);
    unwinder->stale = false;
}

enum { INNER = LAYOUT_FRAMES - LAYOUT_OUTER };

/* Beyond the first ones, the last frames that were met are a ring. */
static struct unwound_frame *next_frame(struct unwound *unwound)
{
    uint32_t met = unwound->met++;

    if (met >= LAYOUT_FRAMES)
        return &unwound->frame[INNER + (met - INNER) % LAYOUT_OUTER];
    unwound->frames++;
    return &unwound->frame[met];
}

/* Puts the oldest of the ring first. */
static void turn_ring(struct unwound *unwound)
{
    struct unwound_frame copy[LAYOUT_OUTER];

    memcpy(copy, &unwound->frame[INNER], sizeof copy);
    for (uint32_t i = 0; i < LAYOUT_OUTER; i++)
        unwound->frame[INNER + i] = copy[(unwound->met - INNER + i) % LAYOUT_OUTER];
}

/* return_at: where the return address was read. */
static void add_frame(const struct unwinder *unwinder, struct unwound *unwound, uint64_t pc, uint64_t sp,
                      uint64_t return_at)
{
    bool first = !unwound->met;
    struct unwound_frame *frame = next_frame(unwound);
    uint64_t word;

    unwind_set_frame(unwinder, frame, pc, first);
    frame->sp = sp;
    if (first)
        return;
    if (sp - return_at <= UINT32_MAX && unwinder_return_address(unwinder, return_at, &word) && word == pc)
        frame->return_below = (uint32_t)(sp - return_at);
    else
        unwound->checkable = false;
}

/* After the last step: is the last frame the thread's first function? Either its table says so, or the chain of frame
   pointers ended in 0. libunwind ends a walk also where it has found no frame pointer. */
static bool is_first_function(const struct unwinder *unwinder, unw_cursor_t *cursor, unw_word_t fp)
{
    unw_save_loc_t loc;

    if (unwinder->no_cfi)
        return !fp;
    return !unw_get_save_loc(cursor, MACHINE_FP, &loc) && loc.type != UNW_SLT_NONE;
}

/* No call returns to the address. Then somebody wrote it to the beginning of a stack, as makecontext() and Boost's
   make_fcontext() do. What a signal interrupted may be anywhere. */
static bool is_synthetic_return(struct unwinder *unwinder, unw_cursor_t *callee, uint64_t pc)
{
    const struct code_mapping *mapping = proc_maps_find_code(&unwinder->maps, pc);
    return mapping && mapping->image && !unwind_is_after_call(unwinder, pc) &&
           unw_is_signal_frame(callee) <= 0;
}

/* A stack that is deeper than what is kept. is_over: its root was met. */
static void end_deep(struct unwinder *unwinder, struct unwound *unwound, bool is_over, int64_t began_ns)
{
    if (unwound->met > LONG_FREE)
        unwinder->long_after_ns = began_ns + LONG_SHARE * (monotonic_ns() - began_ns);
    unwound->gap = INNER;
    if (!is_over) {
        unwound->frames = INNER;
        return;
    }
    turn_ring(unwound);
}

static void walk(struct unwinder *unwinder, struct unwound *unwound)
{
    unw_cursor_t cursor, from, callee;
    unw_word_t pc, sp, fp = 0;
    bool guessed = false, at_call = false;
    struct unwind_place place;
    int64_t began_ns = monotonic_ns();
    uint32_t most = began_ns < unwinder->long_after_ns ? LONG_FREE : LONG_MOST;
    int more;

    unwinder->walk_reads = WALK_READS;
    unwound->frames = unwound->met = unwound->gap = 0;
    unwound->checkable = true;
    unwind_begin(unwinder);
    more = unw_init_remote(&cursor, unwinder->space, unwinder) ? -1 : 1;
    from = cursor;
    while (more > 0 && unwound->met < most) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) || unw_get_reg(&cursor, UNW_REG_SP, &sp) || !pc)
            break;
        if (unwound->met == LAYOUT_FRAMES && unwind_recall_root(unwinder, unwound, sp))
            return;
        add_frame(unwinder, unwound, pc + at_call, sp, machine_return_at(&cursor, sp));
        if (unw_get_reg(&cursor, MACHINE_FP, &fp))
            fp = 0;
        callee = from;
        from = cursor;
        place = (struct unwind_place){pc + at_call, unwound->met > 1 && unw_is_signal_frame(&callee) <= 0};
        more = unwind_step(unwinder, &from, &cursor, place, &at_call);
        if (unwinder->no_cfi && !guessed && unwound->met > 1 && is_synthetic_return(unwinder, &callee, pc)) {
            more = 0;
            break;
        }
        guessed |= unwinder->no_cfi;
        unwinder->walk_reads += unwinder->walk_reads > 0 ? FRAME_READS : 0;
    }
    unwound->truncated = more < 0 || !unwind_may_read(unwinder, 0) ||
                         (guessed && (more > 0 || !is_first_function(unwinder, &cursor, fp)));
    if (unwound->met > LAYOUT_FRAMES)
        end_deep(unwinder, unwound, unwound->met < most, began_ns);
}

/* An address is in no code that was mapped when the mappings were read. */
static bool has_unmapped_code(const struct unwinder *unwinder, const struct unwound *unwound)
{
    for (uint32_t i = 0; i < unwound->frames; i++) {
        const struct region *region = proc_maps_find_region(&unwinder->maps, unwound->frame[i].pc - (i > 0));
        if (!region || !region->executable)
            return true;
    }
    return false;
}

static void walk_again(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], unsigned known,
                       struct unwound *unwound)
{
    memcpy(unwinder->regs, regs, sizeof unwinder->regs);
    unwinder->known = known;
    walk(unwinder, unwound);
}

static void walk_known(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], unsigned known,
                       struct unwound *unwound)
{
    if (unwinder->stale)
        read_fresh(unwinder);
    unwinder->reread = unwinder->changed = false;
    walk_again(unwinder, regs, known, unwound);
    if (has_unmapped_code(unwinder, unwound))
        unwind_read_maps(unwinder);
    if (unwinder->changed)
        walk_again(unwinder, regs, known, unwound);
    if (unwinder->read_last == unwinder->sample && has_unmapped_code(unwinder, unwound))
        unwinder->read_next = unwinder->sample + SAMPLES_PAUSE;
    unwound->reread = unwinder->reread;
}

void unwinder_walk(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], struct unwound *unwound)
{
    walk_known(unwinder, regs, (1u << MACHINE_REGS) - 1, unwound);
}

/* The two words may be what a function with a frame pointer pushes: its caller's frame pointer, which lies further out,
   and a return address. */
static bool may_be_frame(const struct unwinder *unwinder, uint64_t at)
{
    uint64_t outer, pc;
    const struct region *region;

    if (!unwinder_word(unwinder, at, &outer) || !unwinder_word(unwinder, at + sizeof outer, &pc) ||
        (outer && outer <= at))
        return false;
    region = proc_maps_find_region(&unwinder->maps, pc - 1);
    return region && region->executable;
}

void unwinder_walk_from(struct unwinder *unwinder, uint64_t pc, uint64_t sp, struct unwound *unwound)
{
    const unsigned known = 1u << REG_PC | 1u << REG_SP;
    uint64_t from, regs[LAYOUT_REGS] = {[REG_PC] = pc, [REG_SP] = sp};

    walk_known(unwinder, regs, known, unwound);
    if (!unwound->truncated || !unwound->frames)
        return;
    from = (unwound->frame[unwound->frames - 1].sp + 7) & ~UINT64_C(7);
    for (int i = 0, tries = 0; i < FRAME_WORDS && tries < FRAME_TRIES; i++) {
        if (!may_be_frame(unwinder, from + 8 * (uint64_t)i))
            continue;
        tries++;
        regs[REG_FP] = from + 8 * (uint64_t)i;
        walk_known(unwinder, regs, known | 1u << REG_FP, unwound);
        if (!unwound->truncated)
            return;
    }
    walk_known(unwinder, regs, known, unwound);
}

void unwinder_begin_sample(struct unwinder *unwinder)
{
    unwinder->sample++;
    unwinder->sample_reads = SAMPLE_READS;
}

void unwinder_refresh(struct unwinder *unwinder)
{
    unwinder->stale = true;
}

struct unwinder *unwinder_new(pid_t pid, const struct process_files *source, struct symbols *symbols)
{
    struct unwinder *unwinder = calloc(1, sizeof *unwinder);

    if (!unwinder)
        return NULL;
    unwinder->maps = (struct proc_maps){.pid = pid, .tid = pid, .source = source, .symbols = symbols};
    unwinder->stale = true;
    unwinder->sample = unwinder->read_next = SAMPLES_KNOWN;
    unwinder->sample_reads = SAMPLE_READS;
    unwinder->space = unwind_new_space();
    if (!unwinder->space) {
        free(unwinder);
        return NULL;
    }
    return unwinder;
}

void unwinder_free(struct unwinder *unwinder)
{
    if (!unwinder)
        return;
    unw_destroy_addr_space(unwinder->space);
    proc_maps_free(&unwinder->maps);
    free(unwinder->batch);
    free(unwinder->longer);
    free(unwinder);
}
