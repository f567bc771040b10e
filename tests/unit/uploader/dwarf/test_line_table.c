/* SPDX-License-Identifier: Apache-2.0 */
/* Line tables as libdw reads them, and how much memory both readers take: of this program's own debug information. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dwarf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "uploader/dwarf/line_table.h"
#include "uploader/elf/elf_file.h"

static bool is_wanted(uint64_t start, void *context)
{
    (void)context;
    return start != 0;
}

static struct elf_bytes section_of(Elf *elf, const char *name)
{
    Elf_Scn *section;
    GElf_Shdr header;
    const Elf_Data *data =
        elf_file_section(elf, name, 0, &section, &header) ? elf_getdata(section, NULL) : NULL;
    return data ? (struct elf_bytes){data->d_buf, data->d_size} : (struct elf_bytes){0};
}

static size_t resident(void)
{
    size_t size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &size, &pages), 2);
    fclose(file);
    return pages * (size_t)getpagesize();
}

struct totals {
    size_t rows, compared, libdw_bytes, own_bytes;
};

static void compare_row(Dwarf_Die *unit, Dwarf_Line *row, const struct line_table *table,
                        const struct line_source *source, struct totals *totals)
{
    char path[4096];
    Dwarf_Addr address;
    bool is_end;
    int line;
    assert_int_equal(dwarf_lineaddr(row, &address), 0);
    assert_int_equal(dwarf_lineendsequence(row, &is_end), 0);
    if (is_end || !address || !(row = dwarf_getsrc_die(unit, address)))
        return;
    const struct line_row *own = line_table_find(table, address);
    assert_int_equal(dwarf_lineno(row, &line), 0);
    if (!line) /* clang's way to say that no line of the source is meant */
        return;
    assert_non_null(own);
    assert_int_equal(own->line, line);
    const char *name = dwarf_linesrc(row, NULL, NULL); /* without the unit's directory, in some versions */
    const size_t length = line_file_name(source, own->file, path, sizeof path), tail = strlen(name);
    assert_true(tail && tail <= length);
    assert_string_equal(path + length - tail, name);
    totals->compared++;
}

static void compare_unit(Dwarf_Die *unit, const struct line_sections *sections, struct totals *totals)
{
    Dwarf_Attribute attribute;
    Dwarf_Word offset;
    Dwarf_Lines *rows;
    size_t count, before = resident();
    struct line_table table;
    if (dwarf_formudata(dwarf_attr(unit, DW_AT_stmt_list, &attribute), &offset) ||
        dwarf_getsrclines(unit, &rows, &count))
        return;
    totals->libdw_bytes += resident() - before;
    const struct line_source source = {sections, offset,
                                       dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute))};
    assert_int_equal(line_table_read(&table, &source, &(struct line_filter){0, is_wanted, NULL}), 0);
    for (size_t i = 0; i < count; i += 7)
        compare_row(unit, dwarf_onesrcline(rows, i), &table, &source, totals);
    totals->rows += count;
    totals->own_bytes += table.count * sizeof *table.row;
    line_table_free(&table);
}

static void test_as_libdw(void **state)
{
    struct elf_file file;
    struct totals totals = {0};
    Dwarf_CU *cu = NULL;
    Dwarf_Die unit;
    (void)state;
    assert_int_equal(elf_file_open(&file, open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 0);
    Dwarf *dwarf = dwarf_begin_elf(file.elf, DWARF_C_READ, NULL);
    assert_non_null(dwarf);
    const struct line_sections sections = {section_of(file.elf, ".debug_line"),
                                           section_of(file.elf, ".debug_line_str"),
                                           section_of(file.elf, ".debug_str")};
    while (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &unit, NULL) == 0)
        compare_unit(&unit, &sections, &totals);
    assert_true(totals.compared > 100);
    printf("%zu rows: libdw takes %zu bytes each, line_table.c %zu\n", totals.rows,
           totals.libdw_bytes / totals.rows, totals.own_bytes / totals.rows);
    dwarf_end(dwarf);
    elf_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_libdw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
