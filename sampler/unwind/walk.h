/* SPDX-License-Identifier: Apache-2.0 */
/* For the files of this folder only: rows and their cache, and the state of a walk. The rules in unwind.c
   hold for all of them. */
#ifndef CPROF_SAMPLER_WALK_H
#define CPROF_SAMPLER_WALK_H

#include "sampler/cfi/cfi.h"
#include "unwind.h"

enum {
    CACHE_BITS = 14, /* 256 KiB, of which only touched pages exist */
    NEAR_BITS = 10,  /* the first 16 KiB of them */
};

/* What is known of an address, in the low bits of a packed row. */
enum row_kind {
    ROW_MISSING, /* not in the cache; of row_of(): it cannot be read */
    ROW_PACKED,  /* the whole row is in this word */
    ROW_FDE, /* too odd for that: evaluated each time, by the FDE at the address that is above ROW_FDE_SHIFT
               */
    ROW_NO_CFI,  /* in a module, but no call frame information */
    ROW_LAST,    /* no caller: the return address is undefined */
    ROW_NOWHERE, /* in no module: never kept, as one may be mapped there later */
    ROW_KIND = 7,
};

/*
 * A packed row:
 *  - bits 0-2: the kind,
 *  - 3-5: the register (enum arch_reg) that the CFA is counted from, and 6-29: by how many words,
 *  - from 32 on, some bits for each register from ARCH_FP to the last: whether it is saved, and where
 *    (packed.h),
 *  - 62 and 63, in each kind: whether a call instruction ends right before the address.
 * Compilers make other rows for few functions only.
 */
enum { PACK_REGISTER = 3, PACK_OFFSET = 6, PACK_OFFSET_BITS = 24, PACK_SAVED = 32 };
#if defined(__x86_64__)
enum { PACK_SAVED_BITS = 4, PACK_REACH = 16 };
#else
enum { PACK_SAVED_BITS = 15, PACK_REACH = 0 };
#endif
/* The most that a register can have; PACK_REACH: a step reads so many words below the CFA unasked. */
enum { PACK_SAVED_MOST = (1 << PACK_SAVED_BITS) - 1 };
_Static_assert(PACK_SAVED + PACK_SAVED_BITS * (ARCH_REGS - ARCH_FP) <= 62, "above is what is known of calls");
enum { ROW_FDE_SHIFT = 3 };
static const uint64_t call_is_known = UINT64_C(1) << 62, call_is_there = UINT64_C(1) << 63;

/*
 * check ^ row is the key: a row that is torn between two writers fits no address. Relaxed order is enough,
 * since a row is all in one word.
 *
 * A process shares the cache with its forked children, so that each of a server's processes finds what the
 * others have read. Modules that can be unloaded have other keys in each child (modules.c). A row that a
 * hostile child has written makes wrong stacks, and no wrong access: a step reads inside the known stack, or
 * by nofault.h.
 */
struct cache_entry {
    _Atomic uint64_t check, row;
};
extern struct cache_entry unwind_cache[1 << CACHE_BITS] __attribute__((visibility("hidden")));

struct walk {
    struct arch_regs regs;
    uintptr_t low, high;           /* the known stack that the stack pointer is in; 0, 0: none */
    uintptr_t fast_low, fast_size; /* where a CFA may be so that every word of a packed row may be loaded */
    uintptr_t module_start, module_size; /* of room->peek.module; size 0: none was found */
    struct segment *segment;
    struct unwind_room *room;
    const struct stack_range *ranges;
    unsigned crossings;
    uintptr_t return_at; /* unless ARCH_CALL_PUSHES: where the last step found the return address */
    bool exact;          /* pc is no return address */
    bool guessed;        /* some step was no table's */
    bool confirming;     /* a row of code is being compared with the stack */
    uintptr_t direct;    /* what is below it may be loaded, from low on; 0: nothing */
    uintptr_t copy;      /* of so many bytes at this address is room->stack */
    size_t copied;
    uintptr_t page; /* of a stack that is not known, the page that is resident */
};

/* Stacks hold anything, and wild stack pointers are not even aligned. */
struct __attribute__((packed, may_alias)) stack_word {
    uint64_t value;
};

enum step { STEP_ON, STEP_END, STEP_LOST };

/* Where the row of an address is: in the first four pages, or, if another row is there, anywhere. So the rows
   of most programs are in few pages, and a walk has few misses of the TLB. */
enum cache_part { CACHE_NEAR, CACHE_FAR };
static inline struct cache_entry *cache_place(uintptr_t address, enum cache_part part)
{
    uint64_t hash = address * UINT64_C(0x9e3779b97f4a7c15);
    return &unwind_cache[part == CACHE_NEAR ? hash >> (64 - NEAR_BITS)
                                            : hash << NEAR_BITS >> (64 - CACHE_BITS)];
}

static inline uint64_t cache_load(const struct cache_entry *entry, uint64_t wanted)
{
    uint64_t row = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    return (check ^ row) == wanted ? row : ROW_MISSING;
}

/* key: the module's. */
static inline uint64_t cache_find(uintptr_t address, uint64_t key)
{
    uint64_t row = cache_load(cache_place(address, CACHE_NEAR), address ^ key);
    return __builtin_expect(row != ROW_MISSING, 1)
               ? row
               : cache_load(cache_place(address, CACHE_FAR), address ^ key);
}

static inline uint64_t row_cfa_offset(uint64_t packed)
{
    return (packed >> PACK_OFFSET & ((1 << PACK_OFFSET_BITS) - 1)) * 8;
}

static inline struct cfi_memory module_memory(struct peek *peek)
{
    return (struct cfi_memory){(const uint8_t *)peek->module.start, (const uint8_t *)peek->module.end, peek};
}

/* Finds a row that is not in the cache, or another module for the walk. */
bool walk_enter_module(struct walk *w, uintptr_t address);
uint64_t walk_find_row(struct walk *w, uintptr_t address);

/* What is known of an address; the walk is then in its module. */
static inline uint64_t row_of(struct walk *w, uintptr_t address)
{
    if (__builtin_expect(address - w->module_start >= w->module_size, 0) && !walk_enter_module(w, address))
        return ROW_NOWHERE;
    uint64_t row = cache_find(address, w->room->peek.module.key);
    return __builtin_expect(row != ROW_MISSING, 1) ? row : walk_find_row(w, address);
}

/* A return address looks like that: a call ends there. */
bool walk_is_after_call(struct walk *w, uintptr_t address);

/* A row by the code of a libc without tables. */
void code_rows_start(void);
uint64_t code_row_read(struct walk *w, uintptr_t pc, bool is_return);

/* Once: from here on, forked children share the cache. */
void rows_share(void);

/* Of a packed row. */
void row_unpack(uint64_t packed, struct cfi_row *row);

/* Finds the range that the stack pointer is in. */
void walk_enter_stack(struct walk *w);

/* The stack may be read directly, or by nofault_copy() alone. */
void walk_allow_loads(struct walk *w);
void walk_forbid_loads(struct walk *w);

/* From here on addresses are guesses. */
void walk_begin_to_guess(struct walk *w);

/* A cfi_load. */
bool walk_load_word(void *context, uintptr_t address, uint64_t *value);

/* Where the return address lies that led to this frame, if the last step was a table's. */
static inline uintptr_t walk_return_at(const struct walk *w)
{
    return ARCH_CALL_PUSHES ? w->regs.r[ARCH_SP] - 8 : w->return_at;
}

/* The frames of a deep stack that were met last. */
struct ring {
    uint64_t *pc, *at; /* at: where the return address lies */
    unsigned size, met;
};

static inline void ring_add(struct ring *ring, const struct walk *w)
{
    unsigned place = ring->met++ % ring->size;
    ring->pc[place] = w->regs.r[ARCH_PC];
    ring->at[place] = walk_return_at(w);
}

/* Puts the oldest first. */
void ring_turn(struct ring *ring);

/* The outermost frames that a thread keeps (roots.c). valid: how many hold for the stack that w is on. */
unsigned root_valid(const struct seg_root *root, struct walk *w, unsigned size);
void root_recall(const struct seg_root *root, uint64_t *pc, unsigned size, unsigned valid);
void root_keep(struct seg_root *root, const struct walk *w, const struct ring *ring, uint64_t from,
               uint32_t flags);

/* A step from code without call frame information, in a module or generated. */
enum step step_without_cfi(struct walk *w, uintptr_t address, bool in_module);

#endif
