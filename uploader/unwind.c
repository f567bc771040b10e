/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

enum {
    COPY_STEP = 16 * 1024, /* what a walk that needs more adds at a time */
    COPY_MOST = 1024 * 1024,
    TABLE_ENTRY = 8, /* bytes, of .eh_frame_hdr's table */
};

/* In the order of seg_thread.wait_regs. */
enum { REG_PC, REG_SP, REG_FP };
static const int8_t register_numbers[LAYOUT_REGS] = {UNW_X86_64_RIP, UNW_X86_64_RSP, UNW_X86_64_RBP,
                                                     UNW_X86_64_RBX, UNW_X86_64_R12, UNW_X86_64_R13,
                                                     UNW_X86_64_R14, UNW_X86_64_R15};

struct unwinder {
    unw_addr_space_t space;
    struct maps maps;
    bool stale; /* maps are */
    uint64_t regs[LAYOUT_REGS];
    uint8_t *copy;
    size_t room, size;
    uint64_t base; /* address of copy[0] */
    bool reread;
};

/* Not in libunwind's headers, exported for perf: finds and reads the entry in a table that lies in memory. */
#define SEARCH_TABLE UNW_OBJ(dwarf_search_unwind_table)
extern int SEARCH_TABLE(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table, unw_proc_info_t *info,
                        int need_info, void *context);

static ssize_t read_process(const struct unwinder *unwinder, uint64_t from, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)from, size};
    ssize_t got = process_vm_readv(unwinder->maps.pid, &local, 1, &remote, 1, 0);
    return got < 0 ? -errno : got;
}

bool unwinder_read(const struct unwinder *unwinder, uint64_t address, void *to, size_t size)
{
    return read_process(unwinder, address, to, size) == (ssize_t)size;
}

static int copy_more(struct unwinder *unwinder, size_t size)
{
    ssize_t got;

    if (unwinder->size + size > unwinder->room) {
        uint8_t *grown = realloc(unwinder->copy, unwinder->size + size);
        if (!grown)
            return -ENOMEM;
        unwinder->copy = grown;
        unwinder->room = unwinder->size + size;
    }
    got = read_process(unwinder, unwinder->base + unwinder->size, unwinder->copy + unwinder->size, size);
    if (got <= 0)
        return got ? (int)got : -EFAULT;
    unwinder->size += (size_t)got;
    return 0;
}

int unwinder_copy(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], size_t size)
{
    unwinder->base = regs[REG_SP] & ~UINT64_C(7);
    unwinder->size = 0;
    return copy_more(unwinder, size < COPY_MOST ? size : COPY_MOST);
}

bool unwinder_word(const struct unwinder *unwinder, uint64_t address, uint64_t *word)
{
    uint64_t at = address - unwinder->base;

    if (unwinder->size < sizeof *word || at > unwinder->size - sizeof *word)
        return false;
    memcpy(word, unwinder->copy + at, sizeof *word);
    return true;
}

/* The copied stack first, then files, then the process itself: the vDSO, deleted files, stacks elsewhere. */
static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *context)
{
    struct unwinder *unwinder = context;
    const struct mapping *mapping;

    (void)space;
    if (write)
        return -UNW_EINVAL;
    if (unwinder_word(unwinder, address, value))
        return 0;
    mapping = maps_find_data(&unwinder->maps, address);
    if (mapping && image_read(mapping->image, address - mapping->bias, value))
        return 0;
    unwinder->reread = true;
    if (address - unwinder->base < unwinder->size + COPY_STEP && unwinder->size < COPY_MOST &&
        !copy_more(unwinder, COPY_STEP) && unwinder_word(unwinder, address, value))
        return 0;
    return read_process(unwinder, address, value, sizeof *value) == sizeof *value ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *context)
{
    const struct unwinder *unwinder = context;

    (void)space;
    for (int i = 0; !write && i < LAYOUT_REGS; i++) {
        if (register_numbers[i] == number) {
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
    const struct unwinder *unwinder = context;
    const struct mapping *mapping = maps_find_code(&unwinder->maps, ip);
    const struct image *image = mapping ? mapping->image : NULL;
    unw_dyn_info_t table = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};

    if (!image || !image->frame_hdr)
        return -UNW_ENOINFO;
    table.start_ip = mapping->start;
    table.end_ip = mapping->end;
    table.u.rti.segbase = image->frame_hdr + mapping->bias;
    table.u.rti.table_data = image->frame_table + mapping->bias;
    table.u.rti.table_len = image->frame_count * TABLE_ENTRY / sizeof(unw_word_t);
    return SEARCH_TABLE(space, ip, &table, info, need_info, context);
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
    const struct mapping *mapping = maps_find_code(&unwinder->maps, pc - !first);
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

void unwinder_walk(struct unwinder *unwinder, const uint64_t regs[LAYOUT_REGS], struct unwound *unwound)
{
    unw_cursor_t cursor;
    unw_word_t pc, sp;
    int more;

    if (unwinder->stale || !maps_find_code(&unwinder->maps, regs[REG_PC])) {
        maps_read(&unwinder->maps);
        unw_flush_cache(unwinder->space, 0, 0);
        unwinder->stale = false;
    }
    memcpy(unwinder->regs, regs, sizeof unwinder->regs);
    unwinder->reread = false;
    unwound->frames = 0;
    unwound->checkable = true;
    more = unw_init_remote(&cursor, unwinder->space, unwinder) ? -1 : 1;
    while (more > 0 && unwound->frames < LAYOUT_FRAMES) {
        if (unw_get_reg(&cursor, UNW_REG_IP, &pc) || unw_get_reg(&cursor, UNW_REG_SP, &sp) || !pc)
            break;
        take_frame(unwinder, unwound, pc, sp);
        /* Without a table libunwind guesses by frame pointers; in code of no file that is all one has. */
        more = unw_step(&cursor);
    }
    unwound->truncated = more < 0 || unwound->frames == LAYOUT_FRAMES;
    unwound->reread = unwinder->reread;
}

void unwinder_refresh(struct unwinder *unwinder)
{
    unwinder->stale = true;
}

struct unwinder *unwinder_new(pid_t pid, const struct symbol_source *source, struct symbols *symbols)
{
    struct unwinder *unwinder = calloc(1, sizeof *unwinder);

    if (!unwinder)
        return NULL;
    unwinder->maps = (struct maps){.pid = pid, .source = source, .symbols = symbols};
    unwinder->stale = true;
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
    maps_free(&unwinder->maps);
    free(unwinder->copy);
    free(unwinder);
}
