// SPDX-License-Identifier: Apache-2.0
/*
 * Rules for editing this file: it runs in a signal handler, at any instruction of the program, also inside
 * malloc, the loader and itself. The stack and the registers may hold anything: what is not inside [low,
 * high) of the walk is not read, and the stack pointer must rise with every step but the first.
 */
#include "unwind.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "cfi.h"
#include "layout.h"
#include "modules.h"
#include "seccomp.h"
#include "sys.h"

enum {
    CACHE_BITS = 14, /* 256 KiB, of which only touched pages exist */
    RED_ZONE = 128,  /* what a function may use below its stack pointer */
    CHUNK = 512,     /* bytes that one system call reads of a stack of unknown bounds; never across a page */
    SEARCHED_WORDS = 32, /* of the frame of code without call frame information */
};

/* What is known of an address, in the low bits of a packed row. */
enum row_kind {
    ROW_MISSING, /* not in the cache */
    ROW_PACKED,  /* the whole row is in this word */
    ROW_FDE,     /* too odd for that: evaluated each time */
    ROW_BARE,    /* no call frame information */
    ROW_LAST,    /* no caller: the return address is undefined */
};

/*
 * A packed row: bits 0-2 the kind, 3-5 the register (enum arch_reg) that the CFA is counted from, 6-29 by how
 * many words; from bit 32 on, four bits for each register from ARCH_FP to the last: n is saved n + 1 words
 * below the CFA, 0 is not saved. The return address is the word below the CFA. That is what compilers make
 * but for odd functions.
 */
enum { PACK_REGISTER = 3, PACK_OFFSET = 6, PACK_OFFSET_BITS = 24, PACK_SAVED = 32, PACK_SAVED_MOST = 15 };

/* check ^ row is the key: a row that is torn between two writers fits no address. Relaxed order is enough,
   since a row is all in one word. */
struct cache_entry {
    _Atomic uint64_t check, row;
};
static struct cache_entry cache[1 << CACHE_BITS];
static _Atomic uint64_t generation = 1;
static struct segment *_Atomic recorded_in;

static uintptr_t own_start, own_size;

struct walk {
    struct arch_regs regs;
    uintptr_t low, high; /* readable stack around the stack pointer; 0, 0: its bounds are not known */
    uintptr_t fast_low, fast_size; /* where a CFA may be so that every word of a packed row is readable */
    struct segment *segment;
    const struct stack_range *ranges;
    unsigned crossings;
    bool exact;      /* pc is no return address */
    bool guessed;    /* some step was no table's */
    uintptr_t chunk; /* where buffer was read from; 0: nowhere yet */
    uint64_t buffer[CHUNK / 8];
};

/* Stacks hold anything, and wild stack pointers are not even aligned. */
struct __attribute__((packed, may_alias)) stack_word {
    uint64_t value;
};

enum step { STEP_ON, STEP_END, STEP_LOST };

static uint64_t cache_key(uintptr_t address)
{
    return address ^ atomic_load_explicit(&generation, memory_order_relaxed) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct cache_entry *cache_place(uintptr_t address)
{
    return &cache[address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - CACHE_BITS)];
}

static uint64_t cache_find(uintptr_t address)
{
    struct cache_entry *entry = cache_place(address);
    uint64_t row = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    return (check ^ row) == cache_key(address) ? row : ROW_MISSING;
}

void unwind_prefetch(const uint64_t *pc, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++)
        __builtin_prefetch(cache_place(pc[i] - 1));
}

static void cache_store(uintptr_t address, uint64_t key, uint64_t row)
{
    struct cache_entry *entry = cache_place(address);
    atomic_store_explicit(&entry->check, key ^ row, memory_order_relaxed);
    atomic_store_explicit(&entry->row, row, memory_order_relaxed);
}

static uint64_t row_cfa_offset(uint64_t packed)
{
    return (packed >> PACK_OFFSET & ((1 << PACK_OFFSET_BITS) - 1)) * 8;
}

static uint64_t row_pack(const struct cfi_row *row)
{
    int base = arch_reg_of_dwarf(row->cfa_register);
    if (row->how[ARCH_PC] == CFI_UNDEFINED)
        return ROW_LAST;
    if (row->signal || base < 0 || row->how[ARCH_SP] != CFI_SAME || row->how[ARCH_PC] != CFI_OFFSET ||
        row->value[ARCH_PC] != -8 || row->cfa_value < 0 || row->cfa_value % 8 != 0 ||
        row->cfa_value >= 8 << PACK_OFFSET_BITS)
        return ROW_FDE;
    uint64_t packed =
        ROW_PACKED | (uint64_t)base << PACK_REGISTER | (uint64_t)(row->cfa_value / 8) << PACK_OFFSET;
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        if (row->how[i] == CFI_SAME || row->how[i] == CFI_UNDEFINED)
            continue;
        int words = -row->value[i] / 8 - 1;
        if (row->how[i] != CFI_OFFSET || row->value[i] % 8 != 0 || words < 1 || words > PACK_SAVED_MOST)
            return ROW_FDE;
        packed |= (uint64_t)words << (PACK_SAVED + 4 * (i - ARCH_FP));
    }
    return packed;
}

static void row_unpack(uint64_t packed, struct cfi_row *row)
{
    memset(row, 0, sizeof(*row));
    row->cfa_register = arch_dwarf[packed >> PACK_REGISTER & 7];
    row->cfa_value = (int32_t)row_cfa_offset(packed);
    row->how[ARCH_PC] = CFI_OFFSET;
    row->value[ARCH_PC] = -8;
    for (int i = ARCH_FP; i < ARCH_REGS; i++) {
        int words = (int)(packed >> (PACK_SAVED + 4 * (i - ARCH_FP)) & PACK_SAVED_MOST);
        row->how[i] = words ? CFI_OFFSET : CFI_SAME;
        row->value[i] = -8 * (words + 1);
    }
}

/* Finds the row of an address by its module, which is recorded on the way, and keeps it. */
__attribute__((noinline)) static uint64_t row_find(struct segment *segment, uintptr_t address)
{
    uint64_t key = cache_key(address),
             packed = ROW_BARE; /* the key of before: a forget meanwhile makes it void */
    struct module module;
    struct cfi_memory memory;
    struct cfi_row row;
    if (!module_find(address, &module))
        return ROW_BARE; /* not kept: a module may be mapped there later */
    if (segment)
        module_record(segment, &module);
    if (module_frame_memory(&module, &memory) && cfi_find_row(&memory, module.frame_hdr, address, &row) == 0)
        packed = row_pack(&row);
    cache_store(address, key, packed);
    return packed;
}

static inline uint64_t row_of(struct walk *w, uintptr_t address)
{
    uint64_t row = cache_find(address);
    return __builtin_expect(row != ROW_MISSING, 1) ? row : row_find(w->segment, address);
}

/* Finds the range that the stack pointer is in. What is below the red zone is not in use, and maybe not
 * mapped. */
static void enter_stack(struct walk *w)
{
    uintptr_t sp = w->regs.r[ARCH_SP];
    w->low = w->high = w->fast_size = 0;
    w->fast_low = UINTPTR_MAX;
    for (int i = 0; i < STACK_RANGES; i++) {
        const struct stack_range *range = &w->ranges[i];
        if (sp < range->low || sp > range->high || range->high == 0)
            continue;
        w->low = sp - range->low > RED_ZONE ? sp - RED_ZONE : range->low;
        w->high = range->high;
        if (w->high - w->low >= 2 * RED_ZONE) {
            w->fast_low = w->low + 8 * (PACK_SAVED_MOST + 1);
            w->fast_size = w->high - w->fast_low;
        }
        return;
    }
}

static bool load_chunk(struct walk *w, uintptr_t chunk)
{
    struct iovec local = {w->buffer, CHUNK}, remote = {(void *)chunk, CHUNK};
    if (!seccomp_allows(CALL(process_vm_readv) | CALL(getpid)))
        return false;
    w->chunk = 0;
    if (sys_call(SYS_process_vm_readv, sys_call(SYS_getpid), &local, 1, &remote, 1, 0) != CHUNK)
        return false;
    w->chunk = chunk;
    return true;
}

/* A cfi_load. Coroutines run on stacks that nobody told us of: the kernel is asked to read those, as it fails
 * softly. */
__attribute__((no_sanitize_address)) static bool load_word(void *context, uintptr_t address, uint64_t *value)
{
    struct walk *w = context;
    if (w->high != 0) {
        if (address < w->low || address > w->high - 8)
            return false;
        *value = ((const struct stack_word *)address)->value;
        return true;
    }
    uintptr_t chunk = address & ~(uintptr_t)(CHUNK - 1);
    if (address % 8 != 0 || (chunk != w->chunk && !load_chunk(w, chunk)))
        return false;
    *value = w->buffer[address % CHUNK / 8];
    return true;
}

/* The step of nearly all frames: no branch that depends on the row. */
__attribute__((always_inline, no_sanitize_address)) static inline bool step_packed(struct walk *w,
                                                                                   uint64_t row)
{
    uint64_t cfa = w->regs.r[row >> PACK_REGISTER & 7] + row_cfa_offset(row);
    if (cfa - w->fast_low > w->fast_size || cfa <= w->regs.r[ARCH_SP])
        return false;
    const struct stack_word *top = (const struct stack_word *)cfa;
    uint64_t saved = row >> PACK_SAVED;
#pragma GCC unroll 8
    for (int i = ARCH_FP; i < ARCH_REGS; i++, saved >>= 4) {
        unsigned words = saved & PACK_SAVED_MOST;
        const struct stack_word *from = words ? top - 1 - words : (const struct stack_word *)&w->regs.r[i];
        w->regs.r[i] = from->value;
    }
    w->regs.r[ARCH_PC] = top[-1].value;
    w->regs.r[ARCH_SP] = cfa;
    w->regs.context = NULL;
    w->exact = false;
    return true;
}

/* The registers that a signal trampoline's caller was interrupted with are where its stack pointer points:
   the kernel's struct rt_sigframe, less the return address that was popped. */
static const ucontext_t *interrupted_context(const struct walk *w)
{
    uintptr_t sp = w->regs.r[ARCH_SP];
    if (w->high == 0 || sp < w->low || sp > w->high || w->high - sp < sizeof(ucontext_t))
        return NULL;
    return (const ucontext_t *)sp;
}

static enum step step_row(struct walk *w, const struct cfi_memory *memory, const struct cfi_row *row)
{
    uint64_t sp = w->regs.r[ARCH_SP];
    const ucontext_t *context = row->signal ? interrupted_context(w) : NULL;
    int error = cfi_step(memory, row, &w->regs, load_word, w);
    if (error == -EFAULT && w->high != 0 && w->high - sp < 8)
        return STEP_END;
    if (error)
        return error == -ENOENT ? STEP_END : STEP_LOST;
    uint64_t next = w->regs.r[ARCH_SP];
    bool rises = next > sp || (next == sp && w->exact); /* the return address may be in a register */
    w->exact = row->signal;
    w->regs.context = context;
    /* From a stack of unknown bounds a signal frame may lead to one that is known. */
    if (rises && (w->high != 0 ? next <= w->high : !row->signal))
        return STEP_ON;
    if (!row->signal || w->crossings++ >= STACK_RANGES)
        return STEP_LOST;
    enter_stack(w);
    return STEP_ON;
}

/* noinline, here and below: rows are large, and the walk's own frame is to stay small. */
__attribute__((noinline)) static enum step step_unpacked(struct walk *w, uint64_t packed)
{
    static const struct cfi_memory none;
    struct cfi_row row;
    row_unpack(packed, &row);
    return step_row(w, &none, &row);
}

__attribute__((noinline)) static enum step step_fde(struct walk *w, uintptr_t address)
{
    struct module module;
    struct cfi_memory memory;
    struct cfi_row row;
    if (!module_find(address, &module) || !module_frame_memory(&module, &memory) ||
        cfi_find_row(&memory, module.frame_hdr, address, &row) != 0)
        return STEP_LOST;
    return step_row(w, &memory, &row);
}

/* Makes the caller's registers of a frame that saved only its frame pointer, or nothing. */
static enum step step_to(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    w->regs.r[ARCH_PC] = pc;
    w->regs.r[ARCH_SP] = sp;
    w->regs.r[ARCH_FP] = fp;
    w->regs.context = NULL;
    w->exact = false;
    w->guessed = true;
    return STEP_ON;
}

/* No call returns to the first instruction of a function: somebody put its address there to start a stack, as
   makecontext() does with __start_context. Nor to what has no call before it, as where Boost's
   make_fcontext() lets a stack begin; but to that a guess may lead. */
static bool is_made_up(uintptr_t pc)
{
    struct module module;
    struct cfi_memory memory;
    struct cfi_row row;
    return module_find(pc, &module) && module_frame_memory(&module, &memory) &&
           cfi_find_row(&memory, module.frame_hdr, pc, &row) == 0;
}

/* If pc were the caller, its own row would lead on to a return address. */
static bool leads_on(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    uint64_t row = row_of(w, pc - 1), base = row >> PACK_REGISTER & 7, next;
    if ((row & 7) == ROW_LAST)
        return true;
    if ((row & 7) != ROW_PACKED || (base != ARCH_SP && base != ARCH_FP))
        return false;
    uint64_t cfa = (base == ARCH_SP ? sp : fp) + row_cfa_offset(row);
    return cfa > sp && load_word(w, cfa - 8, &next) && module_is_after_call(next);
}

/* Assembly that was not annotated: its return address is somewhere up its small frame. It is not beyond a
   return address that the frame pointer leads to: that is the caller's or its own, as in code that V8 links
   into a program, whose callers have no rows either and so do not lead on. */
static enum step step_by_search(struct walk *w)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller;
    for (unsigned i = 0; i < SEARCHED_WORDS && load_word(w, sp, &caller); i++) {
        sp += 8;
        if (!module_is_after_call(caller))
            continue;
        if (leads_on(w, caller, sp, fp))
            return step_to(w, caller, sp, fp);
        if (sp == fp + 16)
            return STEP_LOST;
    }
    return STEP_LOST;
}

/* Code of a module may have been called by generated code, which is in none: V8's builtins are. Then the
   frame pointer is believed where what it points to is a frame record of a chain: the next one above it,
   readable. */
static bool is_frame_record(struct walk *w, uint64_t fp, uint64_t caller, uint64_t caller_fp)
{
    uint64_t word;
    return caller >= LAYOUT_PAGE && caller >> 47 == 0 && caller_fp > fp && caller_fp % 8 == 0 &&
           load_word(w, caller_fp, &word) && (word == 0 || word > caller_fp) &&
           load_word(w, caller_fp + 8, &word);
}

/* Does the frame pointer lead to code that has no call frame information either? Then functions of this
   module keep it, and a search would take older return addresses that lie about in their frames. */
static bool is_called_by_bare(struct walk *w)
{
    uint64_t fp = w->regs.r[ARCH_FP], caller, caller_fp;
    return fp >= w->regs.r[ARCH_SP] && fp % 8 == 0 && load_word(w, fp + 8, &caller) &&
           load_word(w, fp, &caller_fp) && (caller_fp == 0 || caller_fp > fp) &&
           module_is_after_call(caller) && row_of(w, caller - 1) == ROW_BARE;
}

/*
 * Code without call frame information. In a module that is assembly, which seldom keeps a frame pointer: its
 * caller's would skip the caller, and so comes second. Generated code has no other way, and may be called by
 * such.
 */
__attribute__((noinline)) static enum step step_bare(struct walk *w, uintptr_t address)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller, caller_fp;
    struct module module;
    bool in_module = module_find(address, &module);
    if (!w->exact && in_module &&
        (is_made_up(address + 1) || (!w->guessed && !module_is_after_call(address + 1))))
        return STEP_END;
    if (in_module && !is_called_by_bare(w) && step_by_search(w) == STEP_ON)
        return STEP_ON;
    if (fp >= sp && fp % 8 == 0 && load_word(w, fp + 8, &caller) && load_word(w, fp, &caller_fp) &&
        (!in_module || caller == 0 || module_find(caller, &module) ||
         is_frame_record(w, fp, caller, caller_fp)))
        return step_to(w, caller, fp + 16, caller_fp);
    if (w->exact && load_word(w, sp, &caller) && module_is_after_call(caller))
        return step_to(w, caller, sp + 8, fp);
    if (!w->exact && fp == 0)
        return STEP_END; /* how a chain of frame pointers ends: goroutines are started with it */
    return w->high != 0 && w->high - sp < 8 ? STEP_END : STEP_LOST;
}

static enum step step_slowly(struct walk *w, uintptr_t address, uint64_t row)
{
    switch (row & 7) {
    case ROW_PACKED:
        return step_unpacked(w, row);
    case ROW_FDE:
        return step_fde(w, address);
    case ROW_BARE:
        return step_bare(w, address);
    default:
        return STEP_END;
    }
}

__attribute__((no_sanitize_address)) static inline enum step step(struct walk *w)
{
    uintptr_t address = w->regs.r[ARCH_PC] - !w->exact;
    uint64_t row = row_of(w, address);
    if (__builtin_expect((row & 7) != ROW_PACKED || !step_packed(w, row), 0)) {
        enum step result = step_slowly(w, address, row);
        if (result != STEP_ON)
            return result;
    }
    uint64_t pc = w->regs.r[ARCH_PC];
    if (__builtin_expect(
            pc - LAYOUT_PAGE >= (UINT64_C(1) << 47) - LAYOUT_PAGE || pc - w->low < w->high - w->low, 0))
        return pc == 0 ? STEP_END : STEP_LOST; /* a return address is neither data nor on the stack itself */
    return STEP_ON;
}

/* Rows that are known are not looked up again, nor their modules recorded: a new segment needs a new start.
 */
static void notice_segment(struct segment *segment)
{
    if (!segment || atomic_load_explicit(&recorded_in, memory_order_relaxed) == segment)
        return;
    atomic_store_explicit(&recorded_in, segment, memory_order_relaxed);
    unwind_forget();
}

/* Not by an initializer, which would clear the buffer. */
static void walk_begin(struct walk *w, struct segment *segment, const struct arch_regs *regs,
                       const struct stack_range *ranges)
{
    w->regs = *regs;
    w->segment = segment;
    w->ranges = ranges;
    w->crossings = 0;
    w->exact = true;
    w->guessed = false;
    w->chunk = 0;
    enter_stack(w);
}

/* What is inlined here reads whole stacks, also what lies between variables. */
__attribute__((no_sanitize_address)) struct unwound
unwind_stack(struct segment *segment, const struct arch_regs *regs,
             const struct stack_range ranges[STACK_RANGES], uint64_t *pc, unsigned max)
{
    struct unwound result = {0};
    struct walk w;
    enum step next = STEP_ON;
    notice_segment(segment);
    for (walk_begin(&w, segment, regs, ranges); next == STEP_ON; next = step(&w)) {
        if (w.regs.r[ARCH_PC] - own_start < own_size)
            continue;
        if (result.frames == max) {
            result.flags |= STACK_DEEP;
            break;
        }
        if (w.exact && result.frames < 64)
            result.exact |= UINT64_C(1) << result.frames;
        pc[result.frames++] = w.regs.r[ARCH_PC];
    }
    if (next == STEP_LOST)
        result.flags |= STACK_TRUNCATED;
    return result;
}

void unwind_forget(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
    modules_forget();
}

void unwind_start(void)
{
    struct module own;
    modules_start();
    if (module_find((uintptr_t)unwind_start, &own)) {
        own_start = own.start;
        own_size = own.end - own.start;
    }
}
