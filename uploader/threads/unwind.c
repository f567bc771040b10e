/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "sampler/segment/return_address.h"
#include "uploader/process/owner.h"

enum {
    COPY_STEP = 16 * 1024, /* what a walk that needs more adds at a time */
    COPY_MOST = 1024 * 1024,
    PAGE = 4096,
    TABLE_ENTRY = 8, /* bytes, of .eh_frame_hdr's table */
    /* Words that may be read: call frame information is a program of the target's, and may run for ever. */
    WALK_READS = 20 * 1000,
    FRAME_READS = 500, /* more for each frame that was found: what an honest table takes, and to spare */
    LOOK_READS = 20 * 1000 * 1000, /* of all threads */
    SLOW_READ = 16,                /* as much work as so many others: one that is a system call */
    LOOKS_PAUSE = 20,              /* before mappings are read again where the last time was in vain */
    LOOKS_KNOWN = 20,              /* for so many, what lies above a stack of unknown bounds is believed */
    FRAME_WORDS = 64,              /* where a frame pointer is looked for */
    FRAME_TRIES = 8,               /* of those that look like one */
};

/* In the order of seg_thread.wait_regs. */
enum { REG_PC, REG_SP, REG_FP };
#define ALL_REGS ((1u << LAYOUT_REGS) - 1)
static const int8_t register_numbers[LAYOUT_REGS] = {UNW_X86_64_RIP, UNW_X86_64_RSP, UNW_X86_64_RBP,
                                                     UNW_X86_64_RBX, UNW_X86_64_R12, UNW_X86_64_R13,
                                                     UNW_X86_64_R14, UNW_X86_64_R15};

struct unwinder {
    unw_addr_space_t space;
    struct proc_maps maps;
    bool stale;                                     /* maps are */
    uint32_t look, refreshed, read_next, read_last; /* numbers of looks */
    uint64_t regs[LAYOUT_REGS];
    unsigned known; /* which of them, as bits */
    uint8_t *batch; /* all copies; */
    size_t batch_room;
    uint8_t *longer; /* the one in use, where a walk needed more of it */
    size_t longer_room;
    const uint8_t *copy; /* the one in use, in one of both */
    size_t size;
    uint64_t base;        /* address of copy[0] */
    uint64_t low, high;   /* the thread's stack, 0: not known */
    bool reread, changed; /* in this walk: the stack was read again, mappings changed */
    bool no_table;        /* for the frame that was last stepped from: libunwind guesses by frame pointers */
    int32_t walk_reads, look_reads; /* left */
};

/* Not in libunwind's headers, exported for perf: finds and reads the entry in a table that lies in memory. */
#define SEARCH_TABLE UNW_OBJ(dwarf_search_unwind_table)
extern int SEARCH_TABLE(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table, unw_proc_info_t *info,
                        int need_info, void *context);

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

/* At most once a look, and after a time in vain not for a while. */
static void read_again(struct unwinder *unwinder)
{
    if ((int32_t)(unwinder->look - unwinder->read_next) < 0)
        return;
    unwinder->read_last = unwinder->look;
    unwinder->read_next = unwinder->look + 1;
    if (!proc_maps_read(&unwinder->maps, false))
        return;
    unw_flush_cache(unwinder->space, 0, 0);
    unwinder->changed = true;
}

/* Files whose mappings stay are opened again, too: another one may have taken the place of the first. */
static void read_fresh(struct unwinder *unwinder)
{
    if (unwinder->refreshed == unwinder->look)
        return;
    unwinder->refreshed = unwinder->read_last = unwinder->look;
    proc_maps_read(&unwinder->maps, true);
    unw_flush_cache(unwinder->space, 0, 0);
    unwinder->stale = false;
}

/* How far the stack may be read that this address is in: to the end of the thread's, to that of the mapping
   as it was a short while ago, else to that of the page. */
static uint64_t stack_limit(const struct unwinder *unwinder, uint64_t sp, uint64_t low, uint64_t high)
{
    const struct region *region;

    if (low && sp >= low && sp < high)
        return high;
    region = unwinder->look - unwinder->read_last < LOOKS_KNOWN ? proc_maps_find_region(&unwinder->maps, sp)
                                                                : NULL;
    return region ? region->end : (sp | (PAGE - 1)) + 1;
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

/* Where in the buffer each copy goes, and what of the stack it takes. Returns how long the buffer must be. */
static size_t copies_place(const struct unwinder *unwinder, struct stack_copy *copy, unsigned count)
{
    size_t at = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t base = copy[i].sp & ~UINT64_C(7);
        uint64_t most = stack_limit(unwinder, base, copy[i].low, copy[i].high) - base;
        size_t size = copy[i].size < UNWIND_COPY_MOST ? copy[i].size : UNWIND_COPY_MOST;
        copy[i].at = at;
        copy[i].got = size < most ? size : (size_t)most;
        copy[i].error = 0;
        at += copy[i].got;
    }
    return at;
}

/* One system call for these; it stops at the first that cannot be read. Returns how many that settles. */
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
    unwinder->copy = unwinder->batch + copy->at;
    unwinder->size = copy->error ? 0 : copy->got;
    unwinder->base = copy->sp & ~UINT64_C(7);
    unwinder->low = copy->low;
    unwinder->high = copy->high;
}

/* How far the stack in use may be read, the mappings read again if it takes that. */
static uint64_t limit_in_use(struct unwinder *unwinder)
{
    uint64_t limit = stack_limit(unwinder, unwinder->base, unwinder->low, unwinder->high);

    if (limit == unwinder->high || limit > unwinder->base + unwinder->size)
        return limit;
    read_again(unwinder);
    return stack_limit(unwinder, unwinder->base, unwinder->low, unwinder->high);
}

static bool copy_more(struct unwinder *unwinder)
{
    uint64_t end = unwinder->base + unwinder->size, limit = limit_in_use(unwinder);
    size_t size = limit - end < COPY_STEP ? (size_t)(limit - end) : COPY_STEP;
    bool is_longer = unwinder->copy == unwinder->longer; /* asked before that may move */
    ssize_t got;

    if (limit <= end || !make_room(&unwinder->longer, &unwinder->longer_room, unwinder->size + size))
        return false;
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

static bool may_read(struct unwinder *unwinder, int32_t reads)
{
    unwinder->walk_reads -= reads;
    unwinder->look_reads -= reads;
    return unwinder->walk_reads > 0 && unwinder->look_reads > 0;
}

/* Is this the stack, or code? */
static bool is_harmless(struct unwinder *unwinder, uint64_t address)
{
    const struct region *region;

    if (unwinder->low && address >= unwinder->low && address < unwinder->high)
        return true;
    if (address >= unwinder->base && address < limit_in_use(unwinder))
        return true;
    region = proc_maps_find_region(&unwinder->maps, address);
    return region && region->executable;
}

/* The copied stack first, then files, then the process itself: the vDSO, deleted files, stacks elsewhere. */
static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *context)
{
    struct unwinder *unwinder = context;
    const struct mapping *mapping;

    (void)space;
    if (write || !may_read(unwinder, 1))
        return -UNW_EINVAL;
    if (unwinder_word(unwinder, address, value))
        return 0;
    mapping = proc_maps_find_data(&unwinder->maps, address);
    if (mapping && elf_image_read(mapping->image, address - mapping->bias, value))
        return 0;
    if (!may_read(unwinder, SLOW_READ))
        return -UNW_EINVAL;
    unwinder->reread = true;
    if (address - unwinder->base < unwinder->size + COPY_STEP && unwinder->size < COPY_MOST &&
        copy_more(unwinder) && unwinder_word(unwinder, address, value))
        return 0;
    /* What frame information has in a program's data is the address of a function's personality routine,
       which nobody calls here. A stack may lie there, too, and is read above or below. */
    if (!is_harmless(unwinder, address)) {
        *value = 0;
        return mapping && elf_image_is_data(mapping->image, address - mapping->bias) ? 0 : -UNW_EINVAL;
    }
    return read_process(unwinder, address, value, sizeof *value) == sizeof *value ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *context)
{
    const struct unwinder *unwinder = context;

    (void)space;
    for (int i = 0; !write && i < LAYOUT_REGS; i++) {
        if (register_numbers[i] == number && unwinder->known >> i & 1) {
            *value = unwinder->regs[i];
            return 0;
        }
    }
    return -UNW_EBADREG;
}

static int access_fpreg(unw_addr_space_t space, unw_regnum_t number, unw_fpreg_t *value, int write,
                        void *context)
{
    (void)space, (void)number, (void)value, (void)write, (void)context;
    return -UNW_EBADREG;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info, int need_info,
                          void *context)
{
    struct unwinder *unwinder = context;
    const struct mapping *mapping = proc_maps_find_code(&unwinder->maps, ip);
    const struct elf_image *image = mapping ? mapping->image : NULL;
    unw_dyn_info_t table = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};
    int rc;

    unwinder->no_table = true;
    if (!image || !image->frame_hdr)
        return -UNW_ENOINFO;
    table.start_ip = mapping->start;
    table.end_ip = mapping->end;
    table.u.rti.segbase = image->frame_hdr + mapping->bias;
    table.u.rti.table_data = image->frame_table + mapping->bias;
    table.u.rti.table_len = image->frame_count * TABLE_ENTRY / sizeof(unw_word_t);
    rc = SEARCH_TABLE(space, ip, &table, info, need_info, context);
    unwinder->no_table = rc != 0;
    return rc;
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *context)
{
    (void)space, (void)info, (void)context;
}

static int no_dynamic_list(unw_addr_space_t space, unw_word_t *address, void *context)
{
    (void)space, (void)address, (void)context;
    return -UNW_ENOINFO;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *context)
{
    (void)space, (void)cursor, (void)context;
    return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t space, unw_word_t ip, char *name, size_t size, unw_word_t *offset,
                   void *context)
{
    (void)space, (void)ip, (void)name, (void)size, (void)offset, (void)context;
    return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {
    .find_proc_info = find_proc_info,
    .put_unwind_info = put_unwind_info,
    .get_dyn_info_list_addr = no_dynamic_list,
    .access_mem = access_mem,
    .access_reg = access_reg,
    .access_fpreg = access_fpreg,
    .resume = no_resume,
    .get_proc_name = no_name,
};

static void take_frame(const struct unwinder *unwinder, struct unwound *unwound, uint64_t pc, uint64_t sp)
{
    struct unwound_frame *frame = &unwound->frame[unwound->frames];
    bool first = !unwound->frames++;
    const struct mapping *mapping = proc_maps_find_code(&unwinder->maps, pc - !first);
    uint64_t word;

    *frame = (struct unwound_frame){.pc = pc, .sp = sp, .address = pc - !first};
    if (mapping) {
        frame->module = mapping->module;
        frame->address -= mapping->bias;
        frame->ours = mapping->ours;
    }
    if (!first && (!unwinder_word(unwinder, sp - sizeof word, &word) || word != pc))
        unwound->checkable = false;
}

/* After the last step: is what the walk ended at the thread's first function? Its table says so, or the chain
   of frame pointers ended in 0. Where a guess found no frame pointer, libunwind takes the next frame for the
   first. */
static bool ended(const struct unwinder *unwinder, unw_cursor_t *cursor, unw_word_t fp)
{
    unw_save_loc_t loc;

    if (unwinder->no_table)
        return !fp;
    return !unw_get_save_loc(cursor, UNW_X86_64_RBP, &loc) && loc.type != UNW_SLT_NONE;
}

static bool read_word(struct unwinder *unwinder, uint64_t address, uint64_t *word)
{
    return address % sizeof *word == 0 && !access_mem(unwinder->space, address, word, 0, unwinder);
}

/* Is it code that a call returns to? */
static bool is_after_call(struct unwinder *unwinder, uint64_t pc)
{
    const struct mapping *mapping = proc_maps_find_code(&unwinder->maps, pc - CALL_MOST);
    uint64_t at = (pc - CALL_MOST) & ~UINT64_C(7), word[2];
    const uint8_t *code = (const uint8_t *)word + (pc - at);

    if (!mapping || !mapping->image || !may_read(unwinder, 2) ||
        !elf_image_read(mapping->image, at - mapping->bias, &word[0]) ||
        !elf_image_read(mapping->image, at + sizeof word[0] - mapping->bias, &word[1]))
        return false;
    return is_code_after_call(code);
}

/* Goes on from a caller, whose other registers are in regs. What it executes next is behind its call, and may
   be another function's: the table is asked for the call. */
static bool walk_on(struct unwinder *unwinder, unw_cursor_t *cursor, uint64_t pc, uint64_t sp, uint64_t fp)
{
    unwinder->regs[REG_PC] = pc - 1;
    unwinder->regs[REG_SP] = sp;
    unwinder->regs[REG_FP] = fp;
    return !unw_init_remote(cursor, unwinder->space, unwinder);
}

enum caller { CALLER_BARE, CALLER_LOST, CALLER_LEADS_ON };

/* If this were the caller, would its table lead on to a return address, or say that it is the first? */
static enum caller try_caller(struct unwinder *unwinder, uint64_t pc, uint64_t sp, uint64_t fp)
{
    unw_cursor_t cursor;
    unw_word_t next;
    int more = -1;

    unwinder->no_table = false;
    if (walk_on(unwinder, &cursor, pc, sp, fp))
        more = unw_step(&cursor);
    if (unwinder->no_table)
        return CALLER_BARE;
    if (more > 0 && (unw_get_reg(&cursor, UNW_REG_IP, &next) || !is_after_call(unwinder, next)))
        return CALLER_LOST;
    return more < 0 ? CALLER_LOST : CALLER_LEADS_ON;
}

/* The first return address on the stack is the one, if its table leads on. Older ones that lie about in the
   frame do not, mostly; one in code without a table cannot be told from those. */
static bool step_by_search(struct unwinder *unwinder, unw_cursor_t *cursor, uint64_t sp, uint64_t fp)
{
    enum caller found = CALLER_LOST;
    uint64_t pc;

    for (int i = 0; i < SEARCHED_WORDS && found == CALLER_LOST && read_word(unwinder, sp, &pc); i++) {
        sp += sizeof pc;
        if (!is_after_call(unwinder, pc))
            continue;
        found = try_caller(unwinder, pc, sp, fp);
        if (found == CALLER_LEADS_ON)
            return walk_on(unwinder, cursor, pc, sp, fp);
        if (sp == fp + 2 * sizeof pc)
            return false;
    }
    return false;
}

/* Mappings that are not of this look may lack it. */
static bool may_be_code(const struct unwinder *unwinder, uint64_t pc)
{
    const struct region *region = proc_maps_find_region(&unwinder->maps, pc - 1);
    return region ? region->executable : pc >= PAGE && !(pc >> 47) && unwinder->read_last != unwinder->look;
}

/* What libunwind has in registers, as far as it knows. */
static void take_registers(struct unwinder *unwinder, unw_cursor_t *cursor)
{
    uint64_t regs[LAYOUT_REGS];

    for (int i = 0; i < LAYOUT_REGS; i++)
        if (unw_get_reg(cursor, register_numbers[i], &regs[i]))
            unwinder->known &= ~(1u << i);
    for (int i = 0; i < LAYOUT_REGS; i++)
        unwinder->regs[i] = unwinder->known >> i & 1 ? regs[i] : 0;
}

/* Out of code without a table, by the same rules as sampler/unwind/unwind.c. A frame pointer is believed at
   once if it leads from such code to such code. libunwind's own step by a frame pointer loses the stack
   pointer, which a table may need. */
static bool step_without_cfi(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor)
{
    uint64_t sp, fp, above, pc = 0, outer = 0;
    const struct mapping *mapping;
    bool framed, generated;

    take_registers(unwinder, from);
    sp = unwinder->regs[REG_SP];
    fp = unwinder->regs[REG_FP];
    above = fp + 2 * sizeof fp;
    mapping = proc_maps_find_code(&unwinder->maps, unwinder->regs[REG_PC]);
    generated = !mapping || !mapping->image;
    framed = fp >= sp && read_word(unwinder, fp, &outer) && read_word(unwinder, fp + sizeof fp, &pc) &&
             may_be_code(unwinder, pc);
    if (framed &&
        (generated || (is_after_call(unwinder, pc) && try_caller(unwinder, pc, above, outer) == CALLER_BARE)))
        return walk_on(unwinder, cursor, pc, above, outer);
    if (!generated && step_by_search(unwinder, cursor, sp, fp))
        return true;
    return framed && walk_on(unwinder, cursor, pc, above, outer);
}

/* As unw_step(), which went from there. on: the cursor is at a call, not at where it returns to. */
static int step(struct unwinder *unwinder, unw_cursor_t *from, unw_cursor_t *cursor, bool *on)
{
    int more;

    unwinder->no_table = *on = false;
    more = unw_step(cursor);
    if (!unwinder->no_table)
        return more;
    if (unw_is_signal_frame(from) > 0) {
        unwinder->no_table = false;
        return more;
    }
    *on = step_without_cfi(unwinder, from, cursor);
    unwinder->no_table = true;
    return *on ? 1 : unwinder->known >> REG_FP & 1 ? 0 : -1;
}

/* Does no call return there? Then somebody put the address at the beginning of a stack, as makecontext() and
   Boost's make_fcontext() do; but what a signal interrupted is anywhere. */
static bool is_synthetic_return(struct unwinder *unwinder, unw_cursor_t *callee, uint64_t pc)
{
    const struct mapping *mapping = proc_maps_find_code(&unwinder->maps, pc);
    return mapping && mapping->image && !is_after_call(unwinder, pc) && unw_is_signal_frame(callee) <= 0;
}

static void walk(struct unwinder *unwinder, struct unwound *unwound)
{
    unw_cursor_t cursor, from, callee;
    unw_word_t pc, sp, fp = 0;
    bool guessed = false, on = false;
    int more;

    unwinder->walk_reads = WALK_READS;
    unwound->frames = 0;
    unwound->checkable = true;
    more = unw_init_remote(&cursor, unwinder->space, unwinder) ? -1 : 1;
    from = cursor;
    while (more > 0 && unwound->frames < LAYOUT_FRAMES) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) || unw_get_reg(&cursor, UNW_REG_SP, &sp) || !pc)
            break;
        take_frame(unwinder, unwound, pc + on, sp);
        if (unw_get_reg(&cursor, UNW_X86_64_RBP, &fp))
            fp = 0;
        callee = from;
        from = cursor;
        more = step(unwinder, &from, &cursor, &on);
        if (unwinder->no_table && !guessed && unwound->frames > 1 &&
            is_synthetic_return(unwinder, &callee, pc)) {
            more = 0;
            break;
        }
        guessed |= unwinder->no_table;
        unwinder->walk_reads += unwinder->walk_reads > 0 ? FRAME_READS : 0;
    }
    unwound->truncated = more < 0 || unwound->frames == LAYOUT_FRAMES || !may_read(unwinder, 0) ||
                         (guessed && (more > 0 || !ended(unwinder, &cursor, fp)));
}

/* Does an address lie where no code was when the mappings were read? */
static bool leads_nowhere(const struct unwinder *unwinder, const struct unwound *unwound)
{
    for (uint32_t i = 0; i < unwound->frames; i++) {
        const struct region *region = proc_maps_find_region(&unwinder->maps, unwound->frame[i].pc - (i > 0));
        if (!region || !region->executable)
            return true;
    }
    return false;
}

/* A walk through code without a table uses up the registers. */
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
    if (leads_nowhere(unwinder, unwound))
        read_again(unwinder);
    if (unwinder->changed)
        walk_again(unwinder, regs, known, unwound);
    if (unwinder->read_last == unwinder->look && leads_nowhere(unwinder, unwound))
        unwinder->read_next = unwinder->look + LOOKS_PAUSE;
    unwound->reread = unwinder->reread;
}

void unwinder_walk(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], struct unwound *unwound)
{
    walk_known(unwinder, regs, ALL_REGS, unwound);
}

/* May the two words there be what a function with a frame pointer has pushed: its caller's, which lies
   further out, and a return address? */
static bool is_like_a_frame(const struct unwinder *unwinder, uint64_t at)
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
        if (!is_like_a_frame(unwinder, from + 8 * (uint64_t)i))
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
    unwinder->look++;
    unwinder->look_reads = LOOK_READS;
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
    unwinder->look = unwinder->read_next = LOOKS_KNOWN;
    unwinder->look_reads = LOOK_READS;
    unwinder->space = unw_create_addr_space(&accessors, 0);
    if (!unwinder->space) {
        free(unwinder);
        return NULL;
    }
    unw_set_caching_policy(unwinder->space, UNW_CACHE_GLOBAL);
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
