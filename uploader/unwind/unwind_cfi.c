/* SPDX-License-Identifier: Apache-2.0 */
/* What libunwind asks for, as it would of ptrace: memory, registers, and tables of call frame information. */
#include "unwind_state.h"

enum {
    TABLE_ENTRY = 8, /* bytes, of .eh_frame_hdr's table */
    SLOW_READ = 16,  /* a system call is as much work as so many other reads */
};

const int8_t unwind_register_numbers[MACHINE_REGS] = MACHINE_REGISTERS;

/* Not in libunwind's headers, exported for perf: finds and reads the entry in a table that lies in memory. */
#define SEARCH_TABLE UNW_OBJ(dwarf_search_unwind_table)
extern int SEARCH_TABLE(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table, unw_proc_info_t *info,
                        int need_info, void *context);

/* The address is in the thread's stack or in code. Nobody else serves a read of those. */
static bool is_stack_or_code(struct unwinder *unwinder, uint64_t address)
{
    const struct region *region;

    if (unwinder->low && address >= unwinder->low && address < unwinder->high)
        return true;
    if (address >= unwinder->base && address < unwind_stack_limit(unwinder))
        return true;
    region = proc_maps_find_region(&unwinder->maps, address);
    return region && region->executable;
}

/* A word of the stack that becomes an address of code without its signature was a signed return address. */
static uint64_t without_signature(const struct unwinder *unwinder, uint64_t word)
{
    uint64_t address = machine_code_address(word);
    const struct region *region =
        address != word ? proc_maps_find_region(&unwinder->maps, address - 1) : NULL;

    return region && region->executable ? address : word;
}

/* The copied stack comes first, then files, then the process itself: for the vDSO, deleted files, other stacks. */
bool unwind_read_word(struct unwinder *unwinder, uint64_t address, uint64_t *word)
{
    const struct code_mapping *mapping;

    if (!unwind_may_read(unwinder, 1))
        return false;
    if (unwinder_word(unwinder, address, word)) {
        *word = without_signature(unwinder, *word);
        return true;
    }
    mapping = proc_maps_find_data(&unwinder->maps, address);
    if (mapping && elf_image_read(mapping->image, address - mapping->bias, word)) {
        *word = unwind_without_ignored(unwinder, address, *word);
        return true;
    }
    if (!unwind_may_read(unwinder, SLOW_READ))
        return false;
    unwinder->reread = true;
    if (address - unwinder->base < unwinder->size + COPY_STEP && unwind_copy_more(unwinder) &&
        unwinder_word(unwinder, address, word))
        return true;
    if (is_stack_or_code(unwinder, address))
        return unwinder_read(unwinder, address, word, sizeof *word);
    /* Call frame information refers to a program's data for a function's personality routine alone. Nobody calls
       that here, so its address need not be right. */
    *word = 0;
    return mapping && elf_image_is_data(mapping->image, address - mapping->bias);
}

static int access_mem(unw_addr_space_t space, unw_word_t address, unw_word_t *value, int write, void *context)
{
    (void)space;
    return !write && unwind_read_word(context, address, value) ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t space, unw_regnum_t number, unw_word_t *value, int write,
                      void *context)
{
    const struct unwinder *unwinder = context;

    (void)space;
    for (int i = 0; !write && i < MACHINE_REGS; i++) {
        if (unwind_register_numbers[i] == number && unwinder->known >> i & 1) {
            *value = machine_code_address(unwinder->regs[i]) /* the link register */;
            return 0;
        }
    }
    return -UNW_EBADREG;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info, int need_info,
                          void *context)
{
    struct unwinder *unwinder = context;
    const struct code_mapping *mapping = proc_maps_find_code(&unwinder->maps, ip);
    const struct elf_image *image = mapping ? mapping->image : NULL;
    unw_dyn_info_t table = {.format = UNW_INFO_FORMAT_REMOTE_TABLE};
    int rc;

    unwinder->no_cfi = true;
    unwinder->ignored_count = 0;
    if (!image || !image->frame_hdr)
        return -UNW_ENOINFO;
    table.start_ip = mapping->start;
    table.end_ip = mapping->end;
    table.u.rti.segbase = image->frame_hdr + mapping->bias;
    table.u.rti.table_data = image->frame_table + mapping->bias;
    table.u.rti.table_len = image->frame_count * TABLE_ENTRY / sizeof(unw_word_t);
    rc = SEARCH_TABLE(space, ip, &table, info, need_info, context);
    unwinder->no_cfi = rc != 0;
    if (!rc && need_info && info->unwind_info && MACHINE_IGNORES_CFA)
        unwind_ignore_operations(unwinder, mapping, info->unwind_info);
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

unw_addr_space_t unwind_new_space(void)
{
    /* Floating-point registers, names and resuming are never asked for. */
    static unw_accessors_t accessors = {
        .find_proc_info = find_proc_info,
        .put_unwind_info = put_unwind_info,
        .get_dyn_info_list_addr = no_dynamic_list,
        .access_mem = access_mem,
        .access_reg = access_reg,
    };
    unw_addr_space_t space = unw_create_addr_space(&accessors, 0);

    if (space)
        unw_set_caching_policy(space, UNW_CACHE_GLOBAL);
    return space;
}
