/* SPDX-License-Identifier: Apache-2.0 */
#include "dwarf_info.h"

#include <dwarf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "line_table.h"

enum {
    UNITS_MOST = 1 << 20,
    RANGES_MOST = 1 << 22,
    RANGES_OF_DIE = 1 << 16,
    FUNCTIONS_MOST = 1 << 20,
    NESTING_MOST = 64,       /* namespaces in namespaces */
    BLOCKS_MOST = 256,       /* lexical blocks and inlined functions in each other */
    STEPS_MOST = 1 << 23,    /* entries read for one look-up: siblings that go in circles end here */
    NEIGHBOURS = 16,         /* functions before an address that may still cover it */
    DROP_EVERY = 64,         /* units between two drops of pages, while all are looked over */
    HANDLE_UNIT_COST = 1024, /* what libdw keeps of a unit that was looked at, and of one that was walked */
    HANDLE_WALK_COST = 16 * 1024,
    HANDLE_MOST = 2 * 1024 * 1024,
    LOOKUP_TOUCHES =
        256 * 1024, /* bytes of mapped file that a look-up brings in: the kernel maps 64 KiB around a page */
    TOUCHED_MOST = 2 * 1024 * 1024,
    TABLES_MOST = 4 * 1024 * 1024, /* bytes of functions and lines of all units that were read */
};
static const uint64_t unpacked_most = UINT64_C(96) << 20;

/* A function's code, or a unit's; offsets are from info->base. */
struct code_range {
    uint32_t start, size;
    uint32_t owner; /* unit: index; function: offset of its entry from the unit's */
};
struct ranges {
    struct code_range *range;
    size_t count, room;
};

struct unit {
    uint64_t entry;       /* offset of its DIE in .debug_info */
    uint64_t line_offset; /* UINT64_MAX: no lines */
    bool read, deep;
    struct ranges functions;
    struct line_table lines;
};

struct dwarf_info {
    const struct elf_file *file;
    struct elf_file alt_file;
    Dwarf *dwarf, *alt;
    uint64_t base;
    struct line_sections sections;
    struct unit *unit;
    size_t units, units_room;
    struct ranges ranges;
    size_t handle_cost, unpacked, bytes, touched;
    unsigned steps; /* entries read since the look-up began */
};

/* --- ranges of code --- */

static int range_push(struct ranges *ranges, const struct code_range *range, size_t most)
{
    if (ranges->count == ranges->room) {
        const size_t room = ranges->room < 64 ? 64 : ranges->room + ranges->room / 2;
        struct code_range *bigger = room <= most ? realloc(ranges->range, room * sizeof *bigger) : NULL;
        if (!bigger)
            return -ENOMEM;
        ranges->range = bigger;
        ranges->room = room;
    }
    ranges->range[ranges->count++] = *range;
    return 0;
}

static int range_compare(const void *a, const void *b)
{
    const struct code_range *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    if (left->size != right->size)
        return left->size > right->size ? -1 : 1; /* enclosing ones first */
    return left->owner < right->owner ? -1 : left->owner > right->owner;
}

/* Sorts. Of equal ones the first owner stays: every unit that uses an inline function of C++ describes it,
   and linkers make them all point at the one copy that is kept. */
static void ranges_settle(struct ranges *ranges)
{
    size_t kept = 1;
    if (!ranges->count)
        return;
    qsort(ranges->range, ranges->count, sizeof *ranges->range, range_compare);
    for (size_t i = 1; i < ranges->count; i++) {
        const struct code_range *range = &ranges->range[i], *last = &ranges->range[kept - 1];
        if (range->start != last->start || range->size != last->size)
            ranges->range[kept++] = *range;
    }
    ranges->count = kept;
    struct code_range *fitted = realloc(ranges->range, (ranges->count + 1) * sizeof *fitted);
    if (fitted) {
        ranges->range = fitted;
        ranges->room = ranges->count + 1;
    }
}

static const struct code_range *range_find(const struct ranges *ranges, uint64_t offset)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (ranges->range[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = 0; i < NEIGHBOURS && i < low; i++) {
        const struct code_range *range = &ranges->range[low - 1 - i];
        if (offset - range->start < range->size)
            return range;
    }
    return NULL;
}

/* Adds the code of an entry to ranges. Code below base is what the linker removed. */
static int die_ranges(const struct dwarf_info *info, Dwarf_Die *die, uint32_t owner, struct ranges *ranges,
                      size_t most)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t cursor = 0;
    for (int i = 0; i < RANGES_OF_DIE && (cursor = dwarf_ranges(die, cursor, &base, &start, &end)) > 0; i++) {
        if (start < info->base || end <= start || end - info->base >= UINT32_MAX)
            continue;
        const struct code_range range = {(uint32_t)(start - info->base), (uint32_t)(end - start), owner};
        if (range_push(ranges, &range, most) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* --- libdw's handle --- */

/* libdw has libelf unpack every debug section that it knows, and half of that is of no use here: locations of
   variables, indices. A section without content is passed over. Sections packed in GNU's old way have no
   known size: those, too. */
static void sections_hide(Elf *elf)
{
    static const char *const unused[] = {".zdebug_",     ".debug_loc", ".debug_aranges",
                                         ".debug_frame", ".debug_mac", ".debug_pub"};
    size_t strings;
    GElf_Shdr header;
    if (elf_getshdrstrndx(elf, &strings) < 0)
        return;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        const char *name = gelf_getshdr(section, &header) ? elf_strptr(elf, strings, header.sh_name) : NULL;
        for (size_t i = 0; name && i < sizeof unused / sizeof *unused; i++) {
            if (strncmp(name, unused[i], strlen(unused[i])) != 0)
                continue;
            header.sh_type = SHT_NOBITS; /* of libelf's copy in memory */
            gelf_update_shdr(section, &header);
        }
    }
}

static int handle_open(struct dwarf_info *info)
{
    info->handle_cost = 0;
    info->dwarf = dwarf_begin_elf(info->file->elf, DWARF_C_READ, NULL);
    if (!info->dwarf)
        return -ENOENT;
    if (info->alt_file.elf)
        info->alt = dwarf_begin_elf(info->alt_file.elf, DWARF_C_READ, NULL);
    if (info->alt)
        dwarf_setalt(info->dwarf, info->alt);
    return 0;
}

static void handle_close(struct dwarf_info *info)
{
    dwarf_end(info->dwarf);
    dwarf_end(info->alt);
    info->dwarf = info->alt = NULL;
}

/* Between look-ups only: nothing of libdw's may be in use. */
static int handle_renew(struct dwarf_info *info)
{
    if (info->dwarf && info->handle_cost < HANDLE_MOST)
        return 0;
    handle_close(info);
    dwarf_info_drop_pages(info);
    return handle_open(info);
}

/* --- the list of units --- */

static int unit_add(struct dwarf_info *info, Dwarf_Die *die)
{
    if (info->units == info->units_room) {
        const size_t room = info->units_room ? info->units_room * 2 : 64;
        struct unit *bigger = room <= UNITS_MOST ? realloc(info->unit, room * sizeof *bigger) : NULL;
        if (!bigger)
            return -ENOMEM;
        info->unit = bigger;
        info->units_room = room;
    }
    struct unit *unit = &info->unit[info->units];
    *unit = (struct unit){.entry = dwarf_dieoffset(die), .line_offset = UINT64_MAX};
    const size_t before = info->ranges.count;
    const int error = die_ranges(info, die, (uint32_t)info->units, &info->ranges, RANGES_MOST);
    info->units += info->ranges.count > before;
    return error;
}

/* .debug_aranges would be quicker to read, but clang does not write it and mixed programs have it in part. */
static int units_read(struct dwarf_info *info)
{
    Dwarf_CU *cu = NULL;
    Dwarf_Die die;
    uint8_t type;
    int error = 0;
    for (size_t i = 1; error == 0 && dwarf_get_units(info->dwarf, cu, &cu, NULL, &type, &die, NULL) == 0;
         i++) {
        if (type == DW_UT_compile || type == DW_UT_skeleton)
            error = unit_add(info, &die);
        info->handle_cost += HANDLE_UNIT_COST;
        if (i % DROP_EVERY == 0)
            dwarf_info_drop_pages(info);
    }
    ranges_settle(&info->ranges);
    return info->units ? 0 : error < 0 ? error : -ENOENT;
}

static uint64_t code_base(Elf *elf)
{
    uint64_t base = UINT64_MAX;
    GElf_Shdr header;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section))
        if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_EXECINSTR) && header.sh_addr &&
            header.sh_addr < base)
            base = header.sh_addr;
    return base;
}

/* How much memory libelf will take to unpack the debug sections (it unpacks all of them when libdw opens the
 * file). */
static uint64_t unpacked_size(Elf *elf)
{
    uint64_t sum = 0;
    GElf_Shdr header;
    GElf_Chdr packed;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
            !(header.sh_flags & SHF_COMPRESSED) || !gelf_getchdr(section, &packed))
            continue;
        if (packed.ch_size > unpacked_most)
            return packed.ch_size;
        sum += packed.ch_size;
    }
    return sum;
}

static struct line_section section_data(Elf *elf, const char *name)
{
    Elf_Scn *section;
    GElf_Shdr header;
    if (!elf_file_section(elf, name, 0, &section, &header) || header.sh_type == SHT_NOBITS)
        return (struct line_section){0};
    const Elf_Data *data = elf_rawdata(section, NULL);
    if (!data || !data->d_buf)
        return (struct line_section){0};
    return (struct line_section){data->d_buf, data->d_size};
}

static int info_open(struct dwarf_info *info, const struct file_search *search)
{
    GElf_Shdr header;
    Elf_Scn *section;
    Elf *elf = info->file->elf;
    if (!elf_file_section(elf, ".debug_info", 0, &section, &header) || header.sh_type == SHT_NOBITS)
        return -ENOENT;
    info->base = code_base(elf);
    sections_hide(elf);
    info->unpacked = unpacked_size(elf);
    if (info->unpacked > unpacked_most)
        return -EFBIG;
    int error = handle_open(info);
    if (error < 0)
        return error;
    if (elf_file_find_alt(&info->alt_file, search, info->file, info->dwarf) == 0) {
        sections_hide(info->alt_file.elf);
        info->unpacked += unpacked_size(info->alt_file.elf);
        handle_close(info);
        error = info->unpacked > unpacked_most ? -EFBIG : handle_open(info);
        if (error < 0)
            return error;
    }
    info->sections =
        (struct line_sections){section_data(elf, ".debug_line"), section_data(elf, ".debug_line_str"),
                               section_data(elf, ".debug_str")};
    return units_read(info);
}

int dwarf_info_open(struct dwarf_info **result, const struct elf_file *file, const struct file_search *search)
{
    struct dwarf_info *info = calloc(1, sizeof *info);
    if (!info)
        return -ENOMEM;
    info->file = file;
    info->alt_file = ELF_FILE_NONE;
    const int error = info_open(info, search);
    dwarf_info_drop_pages(info);
    if (error < 0)
        dwarf_info_free(info);
    else
        *result = info;
    return error;
}

static void tables_forget(struct dwarf_info *info)
{
    for (size_t i = 0; i < info->units; i++) {
        struct unit *unit = &info->unit[i];
        free(unit->functions.range);
        unit->functions = (struct ranges){0};
        line_table_free(&unit->lines);
        unit->read = unit->deep = false;
    }
    info->bytes = 0;
}

void dwarf_info_free(struct dwarf_info *info)
{
    if (!info)
        return;
    tables_forget(info);
    handle_close(info);
    elf_file_close(&info->alt_file);
    free(info->unit);
    free(info->ranges.range);
    free(info);
}

size_t dwarf_info_bytes(const struct dwarf_info *info)
{
    return sizeof *info + info->units_room * sizeof *info->unit +
           info->ranges.room * sizeof *info->ranges.range + info->bytes + info->unpacked + info->handle_cost;
}

size_t dwarf_info_unpacked(const struct dwarf_info *info)
{
    return info->unpacked;
}

void dwarf_info_drop_pages(const struct dwarf_info *info)
{
    elf_file_drop_pages(info->file);
    elf_file_drop_pages(&info->alt_file);
}

/* --- one unit --- */

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

/* Is this unit the one that is asked about the address? line_wanted() of its line table, too. */
struct unit_owner {
    const struct dwarf_info *info;
    const struct unit *unit;
};
static bool unit_owns(uint64_t address, void *context)
{
    const struct unit_owner *owner = context;
    const struct code_range *range = range_find(&owner->info->ranges, address - owner->info->base);
    return range && &owner->info->unit[range->owner] == owner->unit;
}

static int function_add(struct dwarf_info *info, struct unit *unit, Dwarf_Die *die)
{
    struct ranges *functions = &unit->functions;
    struct unit_owner owner = {info, unit};
    size_t kept = functions->count;
    const int error =
        die_ranges(info, die, (uint32_t)(dwarf_dieoffset(die) - unit->entry), functions, FUNCTIONS_MOST);
    for (size_t i = kept; i < functions->count; i++)
        if (unit_owns(info->base + functions->range[i].start, &owner))
            functions->range[kept++] = functions->range[i];
    functions->count = kept;
    return error;
}

/* Collects the functions among the children, and in the scopes among them; deep: those inside functions, too.
 */
static int functions_collect(struct dwarf_info *info, struct unit *unit, Dwarf_Die *parent, bool deep,
                             unsigned nesting)
{
    Dwarf_Die child;
    int error = 0;
    if (nesting > NESTING_MOST || dwarf_child(parent, &child) != 0)
        return 0;
    do {
        const int tag = dwarf_tag(&child);
        if (tag == DW_TAG_subprogram)
            error = function_add(info, unit, &child);
        if (error == 0 && holds_functions(tag, deep))
            error = functions_collect(info, unit, &child, deep, nesting + 1);
    } while (error == 0 && next_entry(info, &child));
    return error;
}

static void functions_read(struct dwarf_info *info, struct unit *unit, Dwarf_Die *die, bool deep)
{
    info->bytes -= unit->functions.room * sizeof *unit->functions.range;
    unit->functions.count = 0;
    unit->deep = deep;
    functions_collect(info, unit, die, deep, 0);
    ranges_settle(&unit->functions);
    info->bytes += unit->functions.room * sizeof *unit->functions.range;
}

/* Units are read in the order of the file. */
static uint64_t unit_size(const struct dwarf_info *info, const struct unit *unit)
{
    const bool last = unit + 1 == info->unit + info->units;
    return last ? TOUCHED_MOST : unit[1].entry - unit->entry;
}

static void unit_read(struct dwarf_info *info, struct unit *unit)
{
    Dwarf_Die die;
    Dwarf_Attribute attribute;
    Dwarf_Word offset;
    struct unit_owner owner = {info, unit};
    unit->read = true;
    info->handle_cost += HANDLE_WALK_COST;
    info->touched += unit_size(info, unit);
    if (!dwarf_offdie(info->dwarf, unit->entry, &die))
        return;
    functions_read(info, unit, &die, false);
    if (dwarf_formudata(dwarf_attr(&die, DW_AT_stmt_list, &attribute), &offset) == 0 &&
        line_table_read(&unit->lines, &info->sections, offset, info->base, unit_owns, &owner) == 0)
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

/* Call sites: where the function of one entry was inlined is a line of the next outer one. */
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
    }
}

/* The entry of the function at the offset; *start becomes its first address. */
static bool function_find(struct dwarf_info *info, struct unit *unit, uint64_t offset, Dwarf_Die *die,
                          uint64_t *start)
{
    const struct code_range *function = range_find(&unit->functions, offset);
    Dwarf_Addr entry;
    /* Lambdas are inside the functions that they are written in. To look into those takes many times as long.
     */
    if (!function && !unit->deep && dwarf_offdie(info->dwarf, unit->entry, die)) {
        functions_read(info, unit, die, true);
        function = range_find(&unit->functions, offset);
    }
    if (!function || !dwarf_offdie(info->dwarf, unit->entry + function->owner, die))
        return false;
    *start = dwarf_entrypc(die, &entry) == 0 ? entry : info->base + function->start;
    return true;
}

unsigned dwarf_info_find(struct dwarf_info *info, uint64_t address, struct dwarf_frame frame[DWARF_FRAMES],
                         uint64_t *start)
{
    Dwarf_Die chain[DWARF_FRAMES], function;
    unsigned count = 0;
    const uint64_t offset = address - info->base;
    const struct code_range *range = address >= info->base ? range_find(&info->ranges, offset) : NULL;
    *start = 0;
    info->steps = 0;
    if (!range || handle_renew(info) < 0)
        return 0;
    struct unit *unit = &info->unit[range->owner];
    if (info->bytes > TABLES_MOST)
        tables_forget(info);
    info->touched += LOOKUP_TOUCHES;
    if (info->touched > TOUCHED_MOST) {
        info->touched = 0;
        dwarf_info_drop_pages(info);
    }
    if (!unit->read)
        unit_read(info, unit);
    memset(frame, 0, DWARF_FRAMES * sizeof *frame);
    if (function_find(info, unit, offset, &function, start)) {
        count = inline_chain(info, function, address, chain);
        chain_fill(frame, chain, count, range->owner + 1u);
    }
    const struct line_row *row = line_table_find(&unit->lines, offset);
    if (row && (row->line || count)) { /* line 0: made by the compiler, of no line, yet of a file */
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
    const struct unit *unit = &info->unit[frame->file_unit - 1];
    if (unit->line_offset == UINT64_MAX || !dwarf_offdie(info->dwarf, unit->entry, &die))
        return 0;
    const char *directory = dwarf_formstring(dwarf_attr(&die, DW_AT_comp_dir, &attribute));
    return line_file_name(&info->sections, unit->line_offset, frame->file, directory, path, DWARF_PATH);
}
