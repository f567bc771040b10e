/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_info.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "code_ranges.h"
#include "dwarf_file.h"
#include "dwarf_split.h"
#include "dwarf_unpack.h"
#include "line_table.h"
#include "uploader/base/array.h"

enum {
    UNITS_MOST = 1 << 20,
    RANGES_MOST = 1 << 22,    /* of all units together */
    FUNCTIONS_MOST = 1 << 20, /* of one unit */
    RANGES_OF_DIE = 1 << 16,
    NESTING_MOST = 64,    /* namespaces in namespaces */
    BLOCKS_MOST = 256,    /* lexical blocks and inlined functions in each other */
    STEPS_MOST = 1 << 23, /* entries read for one look-up: siblings that go in circles end here */
    DROP_EVERY = 64,      /* units between two drops of pages, while the list of units is made */
    UNIT_BYTES = 1024,    /* what libdw keeps of a unit that was listed, and of one that was read */
    UNIT_READ_BYTES = 16 * 1024,
    LOOKUP_BYTES = 256 * 1024, /* mapped by a look-up: the kernel maps 64 KiB around each page */
    MAPPED_MOST = 2 * 1024 * 1024,
    TABLES_MOST = 4 * 1024 * 1024, /* bytes of functions and lines of all units that were read */
};

/* Ranges of functions have as owner the offset of the function's entry from that of the unit. */
struct dwarf_unit {
    uint64_t entry;       /* offset of its DIE in .debug_info */
    uint64_t line_offset; /* UINT64_MAX: no lines */
    bool read, deep;      /* deep: functions inside functions were read, too */
    bool split;           /* its functions are in another file, which was found */
    struct code_ranges functions;
    struct line_table lines;
};

/* Addresses are kept as offsets from base. */
struct dwarf_info {
    struct dwarf_file file;
    uint64_t base;
    struct line_sections sections;
    struct dwarf_unit *unit;
    size_t units, units_room;
    struct code_ranges ranges;        /* of all units; the owner is the unit's index */
    size_t bytes;                     /* of functions and lines */
    size_t mapped;                    /* bytes of the file that are mapped now, estimated */
    unsigned steps;                   /* entries read since the look-up began */
    const struct file_search *search; /* of this look-up */
    struct dwarf_splits splits;
};

/* Adds the code of an entry to ranges. Code below base was removed by the linker. */
static int die_ranges(const struct dwarf_info *info, Dwarf_Die *die, uint32_t owner,
                      struct code_ranges *ranges, size_t most)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t cursor = 0;
    for (int i = 0; i < RANGES_OF_DIE && (cursor = dwarf_ranges(die, cursor, &base, &start, &end)) > 0; i++) {
        if (start < info->base || end <= start || end - info->base >= UINT32_MAX)
            continue;
        const struct code_range range = {(uint32_t)(start - info->base), (uint32_t)(end - start), owner};
        if (ranges->count >= most || code_ranges_add(ranges, &range) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* --- the list of units --- */

static int unit_add(struct dwarf_info *info, Dwarf_Die *die)
{
    struct dwarf_unit *grown = info->units < UNITS_MOST
                                   ? array_reserve(info->unit, &info->units_room, info->units, sizeof *grown)
                                   : NULL;
    if (!grown)
        return -ENOMEM;
    info->unit = grown;
    struct dwarf_unit *unit = &info->unit[info->units];
    *unit = (struct dwarf_unit){.entry = dwarf_dieoffset(die), .line_offset = UINT64_MAX};
    const size_t before = info->ranges.count;
    const int error = die_ranges(info, die, (uint32_t)info->units, &info->ranges, RANGES_MOST);
    info->units += info->ranges.count > before;
    return error;
}

/* .debug_aranges would be faster to read, but clang does not write it, so mixed programs have a part of it. */
static int units_read(struct dwarf_info *info)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    int error = 0;
    for (size_t i = 1; error == 0 && dwarf_get_units(info->file.dwarf, cu, &cu, NULL, &type, &die, NULL) == 0;
         i++) {
        if (type == DW_UT_compile || type == DW_UT_skeleton || type == DW_UT_split_compile)
            error = unit_add(info, &die);
        info->file.handle_bytes += UNIT_BYTES;
        if (i % DROP_EVERY == 0)
            dwarf_file_drop_pages(&info->file);
    }
    code_ranges_sort(&info->ranges);
    return info->units ? 0 : error < 0 ? error : -ENOENT;
}

int dwarf_info_open(struct dwarf_info **result, const struct elf_file *file, const struct file_search *search)
{
    struct dwarf_info *info = calloc(1, sizeof *info);
    if (!info)
        return -ENOMEM;
    info->base = elf_file_code_base(file->elf);
    info->splits.package = ELF_FILE_NONE;
    int error = dwarf_file_open(&info->file, file, search);
    if (error == 0) {
        Elf *elf = info->file.file->elf;
        info->sections =
            (struct line_sections){dwarf_section(elf, ".debug_line"), dwarf_section(elf, ".debug_line_str"),
                                   dwarf_section(elf, ".debug_str")};
        error = units_read(info);
    }
    dwarf_file_drop_pages(&info->file);
    if (error < 0)
        dwarf_info_free(info);
    else
        *result = info;
    return error;
}

static void tables_forget(struct dwarf_info *info)
{
    dwarf_splits_close(&info->splits);
    for (size_t i = 0; i < info->units; i++) {
        struct dwarf_unit *unit = &info->unit[i];
        code_ranges_free(&unit->functions);
        line_table_free(&unit->lines);
        unit->read = unit->deep = unit->split = false;
    }
    info->bytes = 0;
}

void dwarf_info_free(struct dwarf_info *info)
{
    if (!info)
        return;
    tables_forget(info);
    elf_file_close(&info->splits.package);
    dwarf_file_close(&info->file);
    code_ranges_free(&info->ranges);
    free(info->unit);
    free(info);
}

size_t dwarf_info_bytes(const struct dwarf_info *info)
{
    return sizeof *info + info->units_room * sizeof *info->unit +
           info->ranges.room * sizeof *info->ranges.range + info->bytes + info->file.unpacked +
           info->file.handle_bytes + info->splits.bytes;
}

size_t dwarf_info_unpacked(const struct dwarf_info *info)
{
    return info->file.unpacked;
}

void dwarf_info_drop_pages(const struct dwarf_info *info)
{
    dwarf_file_drop_pages(&info->file);
}

/* --- one unit --- */

static const struct dwarf_split *split_open(struct dwarf_info *info, const struct dwarf_unit *unit,
                                            Dwarf_Die *skeleton)
{
    bool opened;
    const struct dwarf_split *split = dwarf_splits_get(&info->splits, (size_t)(unit - info->unit), skeleton,
                                                       &info->file, info->search, &opened);
    if (opened)
        info->file.handle_bytes += UNIT_READ_BYTES;
    return split;
}

/* The unit's entry, in the file that has its functions. */
static bool unit_entry(struct dwarf_info *info, struct dwarf_unit *unit, Dwarf_Die *die)
{
    const struct dwarf_split *split;
    if (!dwarf_offdie(info->file.dwarf, unit->entry, die))
        return false;
    if (!unit->split)
        return true;
    split = split_open(info, unit, die);
    if (split)
        *die = split->unit;
    return split != NULL;
}

static bool holds_functions(int tag, bool deep)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_lexical_block:
        return deep;
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
        return true;
    }
    return false;
}

static bool next_entry(struct dwarf_info *info, Dwarf_Die *die)
{
    return info->steps++ < STEPS_MOST && dwarf_siblingof(die, die) == 0;
}

struct unit_owner {
    const struct dwarf_info *info;
    const struct dwarf_unit *unit;
};

/* Look-ups of the address come to this unit. Also is_wanted() of the line table, therefore. */
static bool unit_owns(uint64_t address, void *context)
{
    const struct unit_owner *owner = context;
    const struct code_range *range = code_ranges_find(&owner->info->ranges, address - owner->info->base);
    return range && &owner->info->unit[range->owner] == owner->unit;
}

/* entry: the offset of the unit's own, in the same file. */
static int function_add(struct dwarf_info *info, struct dwarf_unit *unit, Dwarf_Die *die, uint64_t entry)
{
    struct code_ranges *functions = &unit->functions;
    struct unit_owner owner = {info, unit};
    size_t kept = functions->count;
    const int error =
        die_ranges(info, die, (uint32_t)(dwarf_dieoffset(die) - entry), functions, FUNCTIONS_MOST);
    for (size_t i = kept; i < functions->count; i++)
        if (unit_owns(info->base + functions->range[i].start, &owner))
            functions->range[kept++] = functions->range[i];
    functions->count = kept;
    return error;
}

/* Collects the functions among the children, and those in scopes among the children. deep: also those in functions. */
static int functions_collect(struct dwarf_info *info, struct dwarf_unit *unit, Dwarf_Die *parent, bool deep,
                             unsigned nesting)
{
    Dwarf_Die child, entry;
    int error = 0;
    if (nesting > NESTING_MOST || dwarf_child(parent, &child) != 0)
        return 0;
    do {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram)
            error = function_add(info, unit, &child,
                                 dwarf_cu_die(child.cu, &entry, NULL, NULL, NULL, NULL, NULL, NULL)
                                     ? dwarf_dieoffset(&entry)
                                     : 0);
        if (error == 0 && holds_functions(tag, deep))
            error = functions_collect(info, unit, &child, deep, nesting + 1);
    } while (error == 0 && next_entry(info, &child));
    return error;
}

static void functions_read(struct dwarf_info *info, struct dwarf_unit *unit, Dwarf_Die *die, bool deep)
{
    info->bytes -= unit->functions.room * sizeof *unit->functions.range;
    unit->functions.count = 0;
    unit->deep = deep;
    functions_collect(info, unit, die, deep, 0);
    code_ranges_sort(&unit->functions);
    info->bytes += unit->functions.room * sizeof *unit->functions.range;
}

/* Bytes of the unit in the file. Units are listed in the order of the file. */
static uint64_t unit_size(const struct dwarf_info *info, const struct dwarf_unit *unit)
{
    const bool last = unit + 1 == info->unit + info->units;
    return last ? MAPPED_MOST : unit[1].entry - unit->entry;
}

static void unit_read(struct dwarf_info *info, struct dwarf_unit *unit)
{
    const struct dwarf_split *split;
    Dwarf_Die die, functions;
    Dwarf_Attribute attribute;
    Dwarf_Word offset;
    struct unit_owner owner = {info, unit};
    unit->read = true;
    info->file.handle_bytes += UNIT_READ_BYTES;
    info->mapped += unit_size(info, unit);
    if (!dwarf_offdie(info->file.dwarf, unit->entry, &die))
        return;
    split = dwarf_split_is(&die) ? split_open(info, unit, &die) : NULL;
    unit->split = split != NULL;
    functions = split ? split->unit : die;
    functions_read(info, unit, &functions, false);
    if (dwarf_formudata(dwarf_attr(&die, DW_AT_stmt_list, &attribute), &offset) == 0 &&
        line_table_read(&unit->lines, &(struct line_source){&info->sections, offset, NULL},
                        &(struct line_filter){info->base, unit_owns, &owner}) == 0)
        unit->line_offset = offset;
    info->bytes +=
        unit->functions.room * sizeof *unit->functions.range + unit->lines.count * sizeof *unit->lines.row;
}

/* --- one address --- */

static const char *die_linkage(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    if (!dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute) &&
        !dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute))
        return NULL;
    return dwarf_formstring(&attribute);
}

static int64_t die_number(Dwarf_Die *die, unsigned name, bool integrate)
{
    Dwarf_Attribute attribute;
    Dwarf_Word number;
    Dwarf_Attribute *found =
        integrate ? dwarf_attr_integrate(die, name, &attribute) : dwarf_attr(die, name, &attribute);
    return dwarf_formudata(found, &number) == 0 && number <= INT32_MAX ? (int64_t)number : 0;
}

static bool is_block(int tag)
{
    return tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
           tag == DW_TAG_catch_block;
}

/* The child block that covers the address, into *die. */
static bool block_enter(struct dwarf_info *info, Dwarf_Die *die, uint64_t address)
{
    Dwarf_Die child;
    if (dwarf_child(die, &child) != 0)
        return false;
    do {
        if (is_block(dwarf_tag(&child)) && dwarf_haspc(&child, address) > 0) {
            *die = child;
            return true;
        }
    } while (next_entry(info, &child));
    return false;
}

/* The function and what is inlined in it at the address, outermost first. */
static unsigned inline_chain(struct dwarf_info *info, Dwarf_Die function, uint64_t address,
                             Dwarf_Die chain[DWARF_FRAMES])
{
    unsigned count = 0;
    chain[count++] = function;
    for (unsigned depth = 0; depth < BLOCKS_MOST && block_enter(info, &function, address); depth++) {
        if (dwarf_tag(&function) != DW_TAG_inlined_subroutine)
            continue;
        if (count == DWARF_FRAMES)
            break;
        chain[count++] = function;
    }
    return count;
}

static void frame_fill(struct dwarf_frame *frame, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    frame->linkage = die_linkage(die);
    frame->name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
    frame->start_line = die_number(die, DW_AT_decl_line, true);
}

/* The call site at which a function was inlined is a line of the next outer function. */
static void chain_fill(struct dwarf_frame *frame, Dwarf_Die *chain, unsigned count, uint64_t unit_number)
{
    for (unsigned i = 0; i < count; i++) {
        Dwarf_Die *die = &chain[count - 1 - i];
        frame_fill(&frame[i], die);
        if (i + 1 == count)
            break;
        frame[i + 1].line = die_number(die, DW_AT_call_line, false);
        frame[i + 1].file = (uint64_t)die_number(die, DW_AT_call_file, false);
        frame[i + 1].file_unit = frame[i + 1].line ? unit_number : 0;
        frame[i + 1].in_split = true;
    }
}

/* The entry of the function at the offset; *start becomes its first address. */
static bool function_find(struct dwarf_info *info, struct dwarf_unit *unit, uint64_t offset, Dwarf_Die *die,
                          uint64_t *start)
{
    const struct code_range *function = code_ranges_find(&unit->functions, offset);
    Dwarf_Addr entry;
    if (!unit_entry(info, unit, die))
        return false;
    /* Lambdas are inside the functions that they are written in. To read those, too, takes many times as long. */
    if (!function && !unit->deep) {
        Dwarf_Die parent = *die;
        functions_read(info, unit, &parent, true);
        function = code_ranges_find(&unit->functions, offset);
    }
    if (!function || !dwarf_offdie(dwarf_cu_getdwarf(die->cu), dwarf_dieoffset(die) + function->owner, die))
        return false;
    *start = dwarf_entrypc(die, &entry) == 0 ? entry : info->base + function->start;
    return true;
}

/* What libdw keeps of split units goes with the handle. */
static int handle_renew(struct dwarf_info *info)
{
    const Dwarf *before = info->file.dwarf;
    const int error = dwarf_file_renew(&info->file);
    if (info->file.dwarf != before)
        dwarf_splits_close(&info->splits);
    return error;
}

unsigned dwarf_info_find(struct dwarf_info *info, const struct file_search *search, uint64_t address,
                         struct dwarf_frame frame[DWARF_FRAMES], uint64_t *start)
{
    Dwarf_Die chain[DWARF_FRAMES], function;
    unsigned count = 0;
    const uint64_t offset = address - info->base;
    const struct code_range *range = address >= info->base ? code_ranges_find(&info->ranges, offset) : NULL;
    *start = 0;
    info->steps = 0;
    info->search = search;
    if (!range || handle_renew(info) < 0)
        return 0;
    struct dwarf_unit *unit = &info->unit[range->owner];
    if (info->bytes > TABLES_MOST)
        tables_forget(info);
    info->mapped += LOOKUP_BYTES;
    if (info->mapped > MAPPED_MOST) {
        info->mapped = 0;
        dwarf_file_drop_pages(&info->file);
    }
    if (!unit->read)
        unit_read(info, unit);
    memset(frame, 0, DWARF_FRAMES * sizeof *frame);
    if (function_find(info, unit, offset, &function, start)) {
        count = inline_chain(info, function, address, chain);
        chain_fill(frame, chain, count, range->owner + 1u);
    }
    const struct line_row *row = line_table_find(&unit->lines, offset);
    if (row && (row->line || count)) { /* line 0: the compiler made this code, which has a file and no line */
        frame[0].line = row->line;
        frame[0].file = row->file;
        frame[0].file_unit = range->owner + 1u;
        count = count ? count : 1;
    }
    return count;
}

size_t dwarf_info_file(struct dwarf_info *info, const struct dwarf_frame *frame, char path[DWARF_PATH])
{
    Dwarf_Die die;
    Dwarf_Attribute attribute;
    path[0] = '\0';
    if (!frame->file_unit || frame->file_unit > info->units)
        return 0;
    const struct dwarf_unit *unit = &info->unit[frame->file_unit - 1];
    if (unit->line_offset == UINT64_MAX || !dwarf_offdie(info->file.dwarf, unit->entry, &die))
        return 0;
    const char *directory = dwarf_formstring(dwarf_attr(&die, DW_AT_comp_dir, &attribute));
    /* gcc writes a table of its own beside the descriptions, clang uses the program's. */
    const size_t length =
        frame->in_split && unit->split
            ? dwarf_splits_file(&info->splits, frame->file_unit - 1, frame->file, directory, path, DWARF_PATH)
            : 0;
    if (length)
        return length;
    return line_file_name(&(struct line_source){&info->sections, unit->line_offset, directory}, frame->file,
                          path, DWARF_PATH);
}
