/* SPDX-License-Identifier: Apache-2.0 */
#include "code_frame.h"

#include <string.h>

#include "instruction.h"

static const char *const final_names[] = {
    "_Exit", "_exit",   "__assert_fail", "__stack_chk_fail", "abort",     "err",  "errx",
    "exit",  "longjmp", "pthread_exit",  "quick_exit",       "thrd_exit", "verr", "verrx",
};

bool code_is_final_name(const char *name)
{
    for (size_t i = 0; i < sizeof final_names / sizeof final_names[0]; i++)
        if (!strcmp(name, final_names[i]))
            return true;
    return false;
}

const char *code_final_name(unsigned index)
{
    return index < sizeof final_names / sizeof final_names[0] ? final_names[index] : NULL;
}

#if defined(__x86_64__)

enum { MOST_INSTRUCTIONS = 4000, WORD = 8 };

/* What a place is counted from: the stack pointer or the frame pointer, as they are at the address. */
enum { NOWHERE, BY_SP, BY_FP };

struct scan {
    const struct code_source *source;
    struct code_room *room;
    uint64_t first;                          /* the address that the scan is for */
    unsigned branches, instructions, length; /* length: of the last instruction; 0: there was none */
    bool failed;                             /* some way led to what is not known */
    struct code_state now;                   /* at: of the next instruction */
    struct code_state further; /* where a jump led through a register; sp.base NOWHERE: none did */
};

enum outcome { GOES_ON, RETURNS, ENDS };

static int register_of(unsigned number)
{
    static const int8_t of[16] = {-1, -1, -1, CODE_RBX, -1,       CODE_RBP, -1,       -1,
                                  -1, -1, -1, -1,       CODE_R12, CODE_R13, CODE_R14, CODE_R15};
    return number < 16 ? of[number] : -1;
}

static struct code_place moved(struct code_place place, int64_t offset)
{
    enum { MOST = 1 << 24 };
    int64_t sum = place.offset + offset;
    if (sum > MOST || sum < -MOST)
        return (struct code_place){0, NOWHERE};
    place.offset = (int32_t)sum;
    return place;
}

static bool is_same_place(struct code_place one, struct code_place other)
{
    return one.base == other.base && one.base != NOWHERE && one.offset == other.offset;
}

static void put_word(struct code_state *now, unsigned number)
{
    int kept = register_of(number);

    now->sp = moved(now->sp, -WORD);
    if (kept < 0)
        return;
    now->pushed[kept] = now->sp;
    now->before[kept] = now->saved[kept];
}

static void take_word(struct code_state *now, unsigned number)
{
    int kept = register_of(number);

    if (kept >= 0)
        now->saved[kept] = is_same_place(now->pushed[kept], now->sp) ? now->before[kept] : now->sp;
    if (number == INSTRUCTION_RBP)
        now->fp.base = NOWHERE;
    now->sp = number == INSTRUCTION_RSP ? (struct code_place){0, NOWHERE} : moved(now->sp, WORD);
}

/* The place that a memory operand or a register means, if it is on the stack. */
static struct code_place place_of(const struct code_state *now, unsigned number, int32_t displacement)
{
    if (number == INSTRUCTION_RSP)
        return moved(now->sp, displacement);
    if (number == INSTRUCTION_RBP)
        return moved(now->fp, displacement);
    return (struct code_place){0, NOWHERE};
}

static void set_pointer(struct code_state *now, unsigned number, struct code_place place)
{
    if (number == INSTRUCTION_RSP)
        now->sp = place;
    else if (number == INSTRUCTION_RBP && place.base != NOWHERE)
        now->fp = place;
}

static void leave(struct code_state *now)
{
    now->sp = now->fp;
    take_word(now, INSTRUCTION_RBP);
}

/* add, sub, and the like, of an immediate. */
static void adjust(struct code_state *now, const struct instruction *in)
{
    unsigned operation = in->reg & 7;

    if (in->has_memory || in->rm != INSTRUCTION_RSP || operation == 7) /* compares */
        return;
    if (operation == 0)
        now->sp = moved(now->sp, in->immediate);
    else if (operation == 5)
        now->sp = moved(now->sp, -in->immediate);
    else
        now->sp.base = NOWHERE;
}

static void move(struct code_state *now, const struct instruction *in, unsigned to, unsigned from)
{
    int kept = register_of(to);

    if (!in->has_memory)
        set_pointer(now, to, place_of(now, from, 0));
    else if (kept >= 0 && !in->is_indexed && place_of(now, in->base, in->displacement).base != NOWHERE)
        now->saved[kept] = place_of(now, in->base, in->displacement);
}

/* lea, and moves between registers and from memory. */
static void step_move(struct code_state *now, const struct instruction *in)
{
    struct code_place to = {0, NOWHERE};

    if (!in->is_wide)
        return;
    if (in->opcode == 0x8d && in->has_memory) {
        if (!in->is_indexed)
            to = place_of(now, in->base, in->displacement);
        set_pointer(now, in->reg, to);
    } else if (in->opcode == 0x8b) {
        move(now, in, in->reg, in->rm);
    } else if (in->opcode == 0x89 && !in->has_memory) {
        move(now, in, in->rm, in->reg);
    }
}

/* What is added to the stack pointer is not known. */
static bool loses_stack(const struct instruction *in)
{
    bool to_rm = in->opcode == 0x01 || in->opcode == 0x29;
    return (to_rm && !in->has_memory && in->rm == INSTRUCTION_RSP) ||
           (in->opcode == 0x2b && in->reg == INSTRUCTION_RSP);
}

static void step_one_byte(struct code_state *now, const struct instruction *in)
{
    switch (in->opcode) {
    case 0x50 ... 0x57:
        put_word(now, in->rm);
        break;
    case 0x58 ... 0x5f:
        take_word(now, in->rm);
        break;
    case 0x68: /* push, of other things */
    case 0x6a:
    case 0x9c:
        now->sp = moved(now->sp, -WORD);
        break;
    case 0xff:
        now->sp = moved(now->sp, (in->reg & 7) == 6 ? -WORD : 0);
        break;
    case 0x8f: /* pop, into other things */
    case 0x9d:
        now->sp = moved(now->sp, WORD);
        break;
    case 0x81:
    case 0x83:
        adjust(now, in);
        break;
    case 0xc9:
        leave(now);
        break;
    default:
        step_move(now, in);
    }
    if (loses_stack(in))
        now->sp.base = NOWHERE;
}

static bool is_known_final(const struct scan *scan, uint64_t target)
{
    for (unsigned i = 0; i < scan->source->finals; i++)
        if (scan->source->final[i].start == target)
            return true;
    return false;
}

/* A call of another module's function goes to a stub, which jumps through a word that the loader has set. */
static bool is_final(const struct scan *scan, uint64_t target)
{
    uint8_t code[INSTRUCTION_MOST], word[CODE_BYTES];
    struct instruction in;
    uint64_t further;

    if (!scan->source->finals)
        return false;
    if (is_known_final(scan, target))
        return true;
    if (!scan->source->read(scan->source->context, target, code) || !instruction_decode(code, &in) ||
        in.map || in.opcode != 0xff || (in.reg & 7) != 4 || in.base != INSTRUCTION_PC ||
        !scan->source->read(scan->source->context, target + in.length + (uint64_t)(int64_t)in.displacement,
                            word))
        return false;
    memcpy(&further, word, sizeof further);
    return is_known_final(scan, further);
}

/* mark: from now on it is. */
static bool is_seen(struct scan *scan, uint64_t at, bool mark)
{
    uint64_t place = at - scan->first + CODE_SEEN / 2;
    uint8_t bit = (uint8_t)(1 << place % 8), *byte = &scan->room->seen[place / 8 % (CODE_SEEN / 8)];
    bool was_seen = place < CODE_SEEN && *byte & bit;

    if (mark && place < CODE_SEEN)
        *byte |= bit;
    return was_seen;
}

static void remember_branch(struct scan *scan, uint64_t target)
{
    if (is_seen(scan, target, false))
        return;
    if (scan->branches == CODE_BRANCHES) {
        scan->failed = true;
        return;
    }
    scan->room->branch[scan->branches] = scan->now;
    scan->room->branch[scan->branches++].at = target;
}

/*
 * Through memory that the code itself names, functions of other modules are called. Else a switch or an interpreter's
 * loop jumps within the function, to an address that was computed. The code behind it is another case with the same
 * stack, so it is gone on with there. Or a function is called in place of this one: then the stack pointer is back
 * where it was at the call. What other ways say is preferred to that.
 */
static enum outcome jump_through(struct scan *scan, const struct instruction *in)
{
    struct code_place sp = scan->now.sp;

    if (in->has_memory && in->base == INSTRUCTION_PC)
        return RETURNS;
    scan->failed = true;
    if (sp.base == BY_SP && sp.offset == 0)
        return GOES_ON;
    if (scan->further.sp.base == NOWHERE)
        scan->further = scan->now;
    return ENDS;
}

static enum outcome jump_to(struct scan *scan, uint64_t target)
{
    scan->now.at = target;
    return is_final(scan, target) ? ENDS : GOES_ON;
}

/* now.at is the next instruction's already. */
static enum outcome flow_one_byte(struct scan *scan, const struct instruction *in)
{
    uint64_t target = scan->now.at + (uint64_t)in->immediate;
    unsigned operation = in->reg & 7;

    switch (in->opcode) {
    case 0xc2 ... 0xc3:
        return RETURNS;
    case 0xcc:
    case 0xf4:
        return ENDS;
    case 0xe8:
        return is_final(scan, target) ? ENDS : GOES_ON;
    case 0xe9:
    case 0xeb:
        return jump_to(scan, target);
    case 0x70 ... 0x7f:
    case 0xe0 ... 0xe3:
        remember_branch(scan, target);
        return GOES_ON;
    case 0xff:
        return operation == 4 ? jump_through(scan, in) : GOES_ON;
    case 0xca ... 0xcb:
    case 0xcf:
        scan->failed = true;
        return ENDS;
    default:
        return GOES_ON;
    }
}

static enum outcome flow(struct scan *scan, const struct instruction *in)
{
    if (in->is_vector)
        return GOES_ON;
    if (!in->map)
        return flow_one_byte(scan, in);
    if (in->map == 1 && in->opcode >= 0x80 && in->opcode <= 0x8f)
        remember_branch(scan, scan->now.at + (uint64_t)in->immediate);
    return in->map == 1 && in->opcode == 0x0b ? ENDS : GOES_ON;
}

/* One instruction further. */
static enum outcome step(struct scan *scan)
{
    uint8_t code[INSTRUCTION_MOST];
    struct instruction in;

    scan->length = 0;
    if (is_seen(scan, scan->now.at, true))
        return ENDS;
    if (scan->instructions++ >= MOST_INSTRUCTIONS ||
        !scan->source->read(scan->source->context, scan->now.at, code) || !instruction_decode(code, &in)) {
        scan->failed = true;
        return ENDS;
    }
    scan->now.at += scan->length = in.length;
    if (!in.map && !in.is_vector)
        step_one_byte(&scan->now, &in);
    return flow(scan, &in);
}

static bool is_place_used(struct code_place place, struct code_place cfa)
{
    return place.base == cfa.base && place.base != NOWHERE && place.offset < cfa.offset;
}

/* The stack pointer points to the return address. A register that is restored from what was saved after the address still
   has its value there. */
static bool describe(const struct code_state *end, struct code_frame *frame)
{
    struct code_place cfa = moved(end->sp, WORD);

    if (cfa.base == NOWHERE || (cfa.base == BY_SP && cfa.offset < WORD))
        return false;
    memset(frame, 0, sizeof *frame);
    frame->by_frame_pointer = cfa.base == BY_FP;
    frame->cfa = cfa.offset;
    for (int i = 0; i < CODE_REGISTERS; i++)
        if (is_place_used(end->saved[i], cfa) && (cfa.base == BY_FP || end->saved[i].offset >= 0))
            frame->saved[i] = cfa.offset - end->saved[i].offset;
    return true;
}

static enum code_kind follow(struct scan *scan, struct code_frame *frame)
{
    for (;;) {
        enum outcome outcome = GOES_ON;
        while (outcome == GOES_ON)
            outcome = step(scan);
        if (outcome == RETURNS && describe(&scan->now, frame))
            return CODE_FRAME;
        scan->failed |= outcome == RETURNS;
        if (!scan->branches)
            break;
        scan->now = scan->room->branch[--scan->branches];
    }
    if (scan->further.sp.base != NOWHERE && describe(&scan->further, frame))
        return CODE_FRAME;
    return scan->failed ? CODE_UNKNOWN : CODE_LAST;
}

uint64_t code_extent(const struct code_source *source, uint64_t start, uint64_t end, struct code_room *room)
{
    struct scan scan = {.source = source, .room = room, .first = start};
    uint64_t furthest = start;
    bool is_over = false;

    memset(room->seen, 0, sizeof room->seen);
    for (scan.now.at = start; !is_over;) {
        uint64_t at = scan.now.at;
        bool is_inside = at - start < end - start;
        enum outcome outcome = is_inside ? step(&scan) : ENDS;
        if (is_inside && at + scan.length > furthest)
            furthest = at + scan.length;
        if (outcome == GOES_ON)
            continue;
        is_over = !scan.branches;
        if (!is_over)
            scan.now = scan.room->branch[--scan.branches];
    }
    return furthest - start;
}

/* The function that an address is in, if it is known to be one that does not return. */
static const struct code_range *final_around(const struct code_source *source, uint64_t address)
{
    for (unsigned i = 0; i < source->finals; i++)
        if (address - source->final[i].start < source->final[i].size)
            return &source->final[i];
    return NULL;
}

/* By what the code from the function's beginning to the address does. Registers are pushed before anything else is. */
static enum code_kind find_from_start(struct scan *scan, uint64_t start, struct code_frame *frame)
{
    uint8_t code[INSTRUCTION_MOST];
    struct code_place *sp = &scan->now.sp;
    struct instruction in;

    memset(frame, 0, sizeof *frame);
    scan->now.at = start;
    while (scan->now.at < scan->first) {
        if (!scan->source->read(scan->source->context, scan->now.at, code) || !instruction_decode(code, &in))
            return CODE_UNKNOWN;
        scan->now.at += in.length;
        if (in.map || in.is_vector)
            continue;
        step_one_byte(&scan->now, &in);
        if ((in.opcode & 0xf8) == 0x50 && register_of(in.rm) >= 0 && !frame->saved[register_of(in.rm)])
            frame->saved[register_of(in.rm)] = WORD - sp->offset;
    }
    frame->cfa = WORD - sp->offset;
    return scan->now.at == scan->first && sp->base == BY_SP && frame->cfa > 0 ? CODE_FRAME : CODE_UNKNOWN;
}

/* mov $15, %rax; syscall: rt_sigreturn(). */
static bool is_signal_return(const struct code_source *source, uint64_t address)
{
    static const uint8_t wanted[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05};
    uint8_t code[CODE_BYTES];
    return source->read(source->context, address, code) && !memcmp(code, wanted, sizeof wanted);
}

enum code_kind code_frame_find(const struct code_source *source, uint64_t address, bool is_return,
                               struct code_room *room, struct code_frame *frame)
{
    struct scan scan = {.source = source, .room = room, .first = address};
    const struct code_range *final = final_around(source, address - is_return);

    if (is_signal_return(source, address))
        return CODE_UNKNOWN; /* the caller is in the kernel's frame */
    scan.now = (struct code_state){.at = address, .sp = {0, BY_SP}, .fp = {0, BY_FP}};
    if (final)
        return find_from_start(&scan, final->start, frame);
    memset(room->seen, 0, sizeof room->seen);
    return follow(&scan, frame);
}

#else

/* Another processor: nothing is known of its code yet. */
uint64_t code_extent(const struct code_source *source, uint64_t start, uint64_t end, struct code_room *room)
{
    (void)source;
    (void)start;
    (void)end;
    (void)room;
    return 0;
}

enum code_kind code_frame_find(const struct code_source *source, uint64_t address, bool is_return,
                               struct code_room *room, struct code_frame *frame)
{
    (void)source;
    (void)address;
    (void)is_return;
    (void)room;
    (void)frame;
    return CODE_UNKNOWN;
}
#endif
