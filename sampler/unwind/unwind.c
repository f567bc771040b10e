// SPDX-License-Identifier: Apache-2.0
/*
 * Rules for editing this file: it runs in a signal handler, at any instruction of the program, also inside
 * malloc, the loader and itself. The stack and the registers may hold anything. Other threads may unmap
 * anything but the stack that this one runs on. So only what is inside [low, high) of the walk is read
 * directly. The stack pointer must rise with every step but the first.
 */
#include "unwind.h"

#include <errno.h>
#include <string.h>

#include "sampler/base/nofault.h"
#include "sampler/cfi/cfi.h"
#include "sampler/modules/module_record.h"
#include "sampler/segment/layout.h"
#include "sampler/segment/return_address.h"

enum {
    CACHE_BITS = 14, /* 256 KiB, of which only touched pages exist */
    RED_ZONE = 128,  /* what a function may use below its stack pointer */
};

/* What is known of an address, in the low bits of a packed row. */
enum row_kind {
    ROW_MISSING, /* not in the cache; of row_of(): it cannot be read */
    ROW_PACKED,  /* the whole row is in this word */
    ROW_FDE,  /* too odd for that: evaluated each time, by the FDE at the address that is above ROW_FDE_SHIFT
               */
    ROW_BARE, /* in a module, but no call frame information */
    ROW_LAST, /* no caller: the return address is undefined */
    ROW_NOWHERE, /* in no module: never kept, as one may be mapped there later */
    ROW_KIND = 7,
};

/*
 * A packed row:
 *  - bits 0-2: the kind,
 *  - 3-5: the register (enum arch_reg) that the CFA is counted from, and 6-29: by how many words,
 *  - from 32 on, four bits for each register from ARCH_FP to the last. 0: not saved; n: saved n + 1 words
 *    below the CFA,
 *  - 62 and 63, in each kind: whether a call instruction ends right before the address.
 * The return address is the word below the CFA. Compilers make other rows for few functions only.
 */
enum { PACK_REGISTER = 3, PACK_OFFSET = 6, PACK_OFFSET_BITS = 24, PACK_SAVED = 32, PACK_SAVED_MOST = 15 };
enum { ROW_FDE_SHIFT = 3 };
static const uint64_t call_is_known = UINT64_C(1) << 62, call_is_there = UINT64_C(1) << 63;

/* check ^ row is the key: a row that is torn between two writers fits no address. Relaxed order is enough,
   since a row is all in one word. */
struct cache_entry {
    _Atomic uint64_t check, row;
};
static struct cache_entry cache[1 << CACHE_BITS];
static struct segment *_Atomic recorded_in;

static uintptr_t own_start, own_size;

struct walk {
    struct arch_regs regs;
    uintptr_t low, high;           /* the known stack that the stack pointer is in; 0, 0: none */
    uintptr_t fast_low, fast_size; /* where a CFA may be so that every word of a packed row may be loaded */
    uintptr_t module_start, module_size; /* of room->peek.module; size 0: none was found */
    struct segment *segment;
    struct unwind_room *room;
    const struct stack_range *ranges;
    unsigned crossings;
    bool exact;       /* pc is no return address */
    bool guessed;     /* some step was no table's */
    uintptr_t direct; /* what is below it may be loaded, from low on; 0: nothing */
    uintptr_t copy;   /* of so many bytes at this address is room->stack */
    size_t copied;
    uintptr_t page; /* of a stack that is not known, the page that is resident */
};

/* Stacks hold anything, and wild stack pointers are not even aligned. */
struct __attribute__((packed, may_alias)) stack_word {
    uint64_t value;
};

enum step { STEP_ON, STEP_END, STEP_LOST };

static struct cache_entry *cache_place(uintptr_t address)
{
    return &cache[address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - CACHE_BITS)];
}

/* key: the module's. */
static uint64_t cache_find(uintptr_t address, uint64_t key)
{
    struct cache_entry *entry = cache_place(address);
    uint64_t row = atomic_load_explicit(&entry->row, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    return (check ^ row) == (address ^ key) ? row : ROW_MISSING;
}

void unwind_prefetch(const uint64_t *pc, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++)
        __builtin_prefetch(cache_place(pc[i] - 1));
}

static void cache_store(uintptr_t address, uint64_t key, uint64_t row)
{
    struct cache_entry *entry = cache_place(address);
    atomic_store_explicit(&entry->check, address ^ key ^ row, memory_order_relaxed);
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

static struct cfi_memory module_memory(struct peek *peek)
{
    return (struct cfi_memory){(const uint8_t *)peek->module.start, (const uint8_t *)peek->module.end, peek};
}

/* Evaluates the call frame information for an address in the walk's module. */
static uint64_t row_read(struct peek *peek, uintptr_t address)
{
    struct cfi_memory memory = module_memory(peek);
    struct cfi_row row;
    uintptr_t fde;
    if (peek->module.frame_hdr == 0)
        return ROW_BARE;
    if (cfi_find_row(&memory, (const uint8_t *)peek->module.frame_hdr, address, &row, &fde) != 0)
        return peek->failed ? ROW_MISSING : ROW_BARE;
    uint64_t packed = row_pack(&row);
    return packed == ROW_FDE ? ROW_FDE | (uint64_t)fde << ROW_FDE_SHIFT : packed;
}

/* Kept only if it was read of the module that is still there: another one's rows have another key. */
static void row_keep(struct walk *w, uintptr_t address, uint64_t row)
{
    const struct module *module = &w->room->peek.module;
    if (row != ROW_MISSING && module_is_steady(module) && module_is_there(module))
        cache_store(address, module->key, row);
}

/* Makes the module of an address that of the walk, and records it. false: it is in none. */
__attribute__((noinline)) static bool enter_module(struct walk *w, uintptr_t address)
{
    struct module module;
    w->module_size = 0;
    if (!module_find(address, &module))
        return false;
    peek_begin(&w->room->peek, &module);
    w->module_start = module.start;
    w->module_size = module.end - module.start;
    if (w->segment && module_record(w->segment, &w->room->peek, w->room->path))
        w->copied = 0; /* the path's room is the stack's */
    return true;
}

/* What is not known of a module yet is where another one in its place is found out. */
__attribute__((noinline)) static uint64_t row_find(struct walk *w, uintptr_t address)
{
    struct peek *peek = &w->room->peek;
    if (!peek->module.stays) {
        w->copied = 0; /* its room is used */
        if (!module_is_same_file(&peek->module, w->room->path) && !enter_module(w, address))
            return ROW_NOWHERE;
    }
    peek->failed = false;
    uint64_t row = row_read(peek, address);
    row_keep(w, address, row);
    return row;
}

static inline uint64_t row_of(struct walk *w, uintptr_t address)
{
    if (__builtin_expect(address - w->module_start >= w->module_size, 0) && !enter_module(w, address))
        return ROW_NOWHERE;
    uint64_t row = cache_find(address, w->room->peek.module.key);
    return __builtin_expect(row != ROW_MISSING, 1) ? row : row_find(w, address);
}

/* A return address looks like that: a call ends there. */
static bool is_after_call(struct walk *w, uintptr_t address)
{
    uint64_t row = row_of(w, address - 1);
    if ((row & ROW_KIND) == ROW_NOWHERE || row == ROW_MISSING)
        return false;
    if (row & call_is_known)
        return row & call_is_there;
    w->room->peek.failed = false;
    bool is_there = module_is_after_call(&w->room->peek, address);
    if (!w->room->peek.failed)
        row_keep(w, address - 1, row | call_is_known | (is_there ? call_is_there : 0));
    return is_there;
}

/* Finds the range that the stack pointer is in. What is below the red zone is not in use, and what is below
   the stack pointer's page is maybe not mapped. */
static void enter_stack(struct walk *w)
{
    uintptr_t sp = w->regs.r[ARCH_SP], page = sp & ~(uintptr_t)(LAYOUT_PAGE - 1);
    w->low = w->high = 0;
    for (int i = 0; i < STACK_RANGES; i++) {
        const struct stack_range *range = &w->ranges[i];
        if (sp < range->low || sp > range->high || range->high == 0)
            continue;
        w->low = sp - page > RED_ZONE ? sp - RED_ZONE : page;
        if (w->low < range->low)
            w->low = range->low;
        w->high = range->high;
    }
}

/* The thread runs on the stack, so that it is mapped where tables lead. */
static void allow_loads(struct walk *w)
{
    bool is_small = w->high - w->low < 2 * RED_ZONE;
    w->direct = is_small ? 0 : w->high;
    w->fast_low = is_small ? UINTPTR_MAX : w->low + 8 * (PACK_SAVED_MOST + 1);
    w->fast_size = is_small ? 0 : w->high - w->fast_low;
}

static void forbid_loads(struct walk *w)
{
    w->direct = 0;
    w->fast_low = UINTPTR_MAX;
    w->fast_size = 0;
}

/* From here on addresses are guesses. Without nofault_copy(), the rest of the page that the word below the
   stack pointer was read from, or that the thread uses, is there. */
static void begin_to_guess(struct walk *w)
{
    uintptr_t page = (w->regs.r[ARCH_SP] - 1) & ~(uintptr_t)(LAYOUT_PAGE - 1);
    uintptr_t end = page + LAYOUT_PAGE < w->direct ? page + LAYOUT_PAGE : w->direct;
    forbid_loads(w);
    if (!nofault_is_available())
        w->direct = end;
}

/*
 * Copies what is around and above an address, which walks meet next. Of a stack of unknown bounds it copies
 * one page, and only if that is in memory, because whoever provides the page may wait for this thread. The
 * page of the stack pointer is excepted.
 */
static bool load_stack(struct walk *w, uintptr_t address)
{
    uintptr_t page = address & ~(uintptr_t)(LAYOUT_PAGE - 1), sp = w->regs.r[ARCH_SP] & ~(uintptr_t)7;
    size_t size = sizeof(w->room->stack);
    w->copied = 0;
    if (w->high == 0) {
        if (page != w->page && !nofault_is_resident(page))
            return false;
        w->page = w->copy = page;
        size = LAYOUT_PAGE;
    } else {
        w->copy = address - sp < size / 2 ? sp : address - 8;
        if (w->high - w->copy < size)
            size = w->high - w->copy;
    }
    w->copied = nofault_copy(w->room->stack, w->copy, size) & ~(size_t)7;
    return address - w->copy < w->copied;
}

/* A cfi_load. */
__attribute__((no_sanitize_address)) static bool load_word(void *context, uintptr_t address, uint64_t *value)
{
    struct walk *w = context;
    if (w->high != 0 && address > w->high - 8)
        return false;
    if (address >= w->low && address < w->direct && w->direct - address >= 8) {
        *value = ((const struct stack_word *)address)->value;
        return true;
    }
    if (address % 8 != 0)
        return false;
    if (address - w->copy >= w->copied && !load_stack(w, address))
        return false;
    *value = w->room->stack[(address - w->copy) / 8];
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
    if (sp < w->low || sp > w->direct || w->direct - sp < sizeof(ucontext_t))
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
    if (!row->signal || w->crossings++ > STACK_RANGES)
        return STEP_LOST;
    enter_stack(w);
    forbid_loads(w); /* what is above a stack pointer that was read somewhere may be unmapped */
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

/* row_of() left the walk in the module of the row. */
__attribute__((noinline)) static enum step step_fde(struct walk *w, uintptr_t address, uint64_t packed)
{
    struct cfi_memory memory = module_memory(&w->room->peek);
    uintptr_t fde = (packed & ~(call_is_known | call_is_there)) >> ROW_FDE_SHIFT;
    struct cfi_row row;
    if (cfi_read_row(&memory, fde, address, &row) != 0)
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
static bool is_made_up(struct walk *w, uintptr_t pc)
{
    unsigned kind = row_of(w, pc) & ROW_KIND;
    return kind == ROW_PACKED || kind == ROW_FDE || kind == ROW_LAST;
}

/* If pc were the caller, its own row would lead on to a return address. */
static bool leads_on(struct walk *w, uint64_t pc, uint64_t sp, uint64_t fp)
{
    uint64_t row = row_of(w, pc - 1), base = row >> PACK_REGISTER & 7, next;
    if ((row & ROW_KIND) == ROW_LAST)
        return true;
    if ((row & ROW_KIND) != ROW_PACKED || (base != ARCH_SP && base != ARCH_FP))
        return false;
    uint64_t cfa = (base == ARCH_SP ? sp : fp) + row_cfa_offset(row);
    return cfa > sp && load_word(w, cfa - 8, &next) && is_after_call(w, next);
}

/* Assembly without call frame information. Its return address is somewhere up its small frame. It is not
   beyond a return address that the frame pointer leads to, since that one is the caller's or its own. This is
   so in code that V8 links into a program, whose callers have no rows either. */
static enum step step_by_search(struct walk *w)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller;
    for (unsigned i = 0; i < SEARCHED_WORDS && load_word(w, sp, &caller); i++) {
        sp += 8;
        if (!is_after_call(w, caller))
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
           load_word(w, fp, &caller_fp) && (caller_fp == 0 || caller_fp > fp) && is_after_call(w, caller) &&
           (row_of(w, caller - 1) & ROW_KIND) == ROW_BARE;
}

/*
 * Code without call frame information. In a module that is assembly, which seldom keeps a frame pointer: its
 * caller's would skip the caller, and so comes second. Generated code has no other way, and may be called by
 * such.
 */
__attribute__((noinline)) static enum step step_bare(struct walk *w, uintptr_t address, bool in_module)
{
    uint64_t sp = w->regs.r[ARCH_SP], fp = w->regs.r[ARCH_FP], caller, caller_fp;
    if (!w->exact && in_module &&
        (is_made_up(w, address + 1) || (!w->guessed && !is_after_call(w, address + 1))))
        return STEP_END;
    begin_to_guess(w);
    if (in_module && !is_called_by_bare(w) && step_by_search(w) == STEP_ON)
        return STEP_ON;
    if (fp >= sp && fp % 8 == 0 && load_word(w, fp + 8, &caller) && load_word(w, fp, &caller_fp) &&
        (!in_module || caller == 0 || row_of(w, caller) != ROW_NOWHERE ||
         is_frame_record(w, fp, caller, caller_fp)))
        return step_to(w, caller, fp + 16, caller_fp);
    if (w->exact && load_word(w, sp, &caller) && is_after_call(w, caller))
        return step_to(w, caller, sp + 8, fp);
    if (!w->exact && fp == 0)
        return STEP_END; /* how a chain of frame pointers ends: goroutines are started with it */
    return w->high != 0 && w->high - sp < 8 ? STEP_END : STEP_LOST;
}

static enum step step_slowly(struct walk *w, uintptr_t address, uint64_t row)
{
    switch (row & ROW_KIND) {
    case ROW_PACKED:
        return step_unpacked(w, row);
    case ROW_FDE:
        return step_fde(w, address, row);
    case ROW_BARE:
    case ROW_NOWHERE:
        return step_bare(w, address, (row & ROW_KIND) == ROW_BARE);
    case ROW_LAST:
        return STEP_END;
    default:
        return STEP_LOST;
    }
}

__attribute__((no_sanitize_address)) static inline enum step step(struct walk *w)
{
    uintptr_t address = w->regs.r[ARCH_PC] - !w->exact;
    uint64_t row = row_of(w, address);
    if (__builtin_expect((row & ROW_KIND) != ROW_PACKED || !step_packed(w, row), 0)) {
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

/* Modules that were recorded in another segment are recorded again. */
static void notice_segment(struct segment *segment)
{
    if (!segment || atomic_load_explicit(&recorded_in, memory_order_relaxed) == segment)
        return;
    atomic_store_explicit(&recorded_in, segment, memory_order_relaxed);
    module_record_again();
}

/* Not by an initializer: the fields that it would clear are many. */
static void walk_begin(struct walk *w, struct segment *segment, const struct arch_regs *regs,
                       const struct stack_range *ranges, struct unwind_room *room)
{
    w->regs = *regs;
    w->segment = segment;
    w->ranges = ranges;
    w->room = room;
    w->module_start = w->module_size = 0;
    w->crossings = 0;
    w->exact = true;
    w->guessed = false;
    w->copied = 0;
    w->page = regs->r[ARCH_SP] & ~(uintptr_t)(LAYOUT_PAGE - 1);
    enter_stack(w);
    allow_loads(w);
}

/* What is inlined here reads whole stacks, also what lies between variables. */
__attribute__((no_sanitize_address)) struct unwound
unwind_stack(struct segment *segment, const struct arch_regs *regs,
             const struct stack_range ranges[STACK_RANGES], struct unwind_room *room, uint64_t *pc,
             unsigned max)
{
    struct unwound result = {0};
    struct walk w;
    enum step next = STEP_ON;
    notice_segment(segment);
    for (walk_begin(&w, segment, regs, ranges, room); next == STEP_ON; next = step(&w)) {
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

void unwind_unload_begin(void)
{
    modules_unload_begin();
}

void unwind_unload_end(void)
{
    modules_unload_end();
}

void unwind_forget(void)
{
    nofault_forget();
    modules_forget();
    module_record_again();
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
