/* SPDX-License-Identifier: Apache-2.0 */
#include "line_table.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

enum { ROWS_MOST = 8 * 1024 * 1024, FORMATS_MOST = 16 };

/* A cursor that reads zeros once it came to the end. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t read_fixed(struct reader *r, unsigned size)
{
    uint64_t value = 0;
    if (size > 8 || (size_t)(r->end - r->at) < size) {
        r->bad = true;
        r->at = r->end;
        return 0;
    }
    memcpy(&value, r->at, size);
    r->at += size;
    return value;
}

/* A number of as many bytes as it needs: seven bits a byte, the lowest first. */
static uint64_t read_leb(struct reader *r, bool is_signed)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;
    do {
        byte = read_fixed(r, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && shift < 64 && (byte & 0x40))
        value |= UINT64_MAX << shift;
    return value;
}

static uint64_t read_uleb(struct reader *r)
{
    return read_leb(r, false);
}

static void read_skip(struct reader *r, uint64_t size)
{
    if ((uint64_t)(r->end - r->at) < size) {
        r->bad = true;
        size = (uint64_t)(r->end - r->at);
    }
    r->at += size;
}

/* A string with its NUL inside the section, else "". */
static const char *read_string(struct reader *r)
{
    const char *text = (const char *)r->at;
    const uint8_t *end = memchr(r->at, 0, (size_t)(r->end - r->at));
    if (!end) {
        r->bad = true;
        r->at = r->end;
        return "";
    }
    r->at = end + 1;
    return text;
}

static const char *section_string(const struct elf_bytes *section, uint64_t offset)
{
    if (offset >= section->size || !memchr(section->data + offset, 0, section->size - offset))
        return "";
    return (const char *)section->data + offset;
}

struct line_program {
    const struct line_sections *sections;
    struct reader tables; /* directories and files */
    struct reader code;
    unsigned version, offset_size, unit_length, line_range, opcode_base;
    int line_base;
    uint8_t operands[256]; /* of standard opcodes */
};

static int program_open(struct line_program *program, const struct line_source *source)
{
    const struct elf_bytes *line = &source->sections->line;
    *program = (struct line_program){.sections = source->sections, .offset_size = 4};
    if (source->offset >= line->size)
        return -EINVAL;
    struct reader r = {line->data + source->offset, line->data + line->size, false};
    uint64_t length = read_fixed(&r, 4);
    if (length == 0xffffffff) {
        length = read_fixed(&r, 8);
        program->offset_size = 8;
    }
    if (length < (uint64_t)(r.end - r.at))
        r.end = r.at + length;
    program->version = (unsigned)read_fixed(&r, 2);
    if (program->version < 2 || program->version > 5)
        return -ENOTSUP;
    if (program->version >= 5)
        read_skip(&r, 2); /* sizes of addresses and segment selectors */
    const uint64_t header_length = read_fixed(&r, program->offset_size);
    if (header_length > (uint64_t)(r.end - r.at))
        return -EINVAL;
    program->code = (struct reader){r.at + header_length, r.end, false};
    r.end = r.at + header_length;
    program->unit_length = (unsigned)read_fixed(&r, 1);
    read_skip(&r, program->version >= 4 ? 2 : 1); /* operations per instruction, default of is_stmt */
    program->line_base = (int8_t)read_fixed(&r, 1);
    program->line_range = (unsigned)read_fixed(&r, 1);
    program->opcode_base = (unsigned)read_fixed(&r, 1);
    for (unsigned i = 1; i < program->opcode_base; i++)
        program->operands[i] = (uint8_t)read_fixed(&r, 1);
    program->tables = r;
    return r.bad || !program->line_range ? -EINVAL : 0;
}

/* The registers of the machine that a line program is written for. */
struct line_state {
    uint64_t address, file, line;
};

struct line_builder {
    struct line_table *table;
    const struct line_filter *filter;
    size_t sequence;       /* index of the current sequence's first row */
    bool started, skipped; /* the current sequence: has a row; is not wanted */
    bool sorted;
};

static int row_push(struct line_table *table, const struct line_row *row)
{
    struct line_row *grown = table->count < ROWS_MOST
                                 ? array_reserve(table->row, &table->room, table->count, sizeof *grown)
                                 : NULL;
    if (!grown)
        return -ENOMEM;
    table->row = grown;
    grown[table->count++] = *row;
    return 0;
}

/* false: the address is below the file's code, or too far above. */
static bool offset_of(const struct line_builder *builder, uint64_t address, uint32_t *offset)
{
    *offset = (uint32_t)(address - builder->filter->base);
    return address >= builder->filter->base && address - builder->filter->base < UINT32_MAX;
}

/* Of rows at one address the last one counts. A row that says the same as the one before is left out. */
static int row_emit(struct line_builder *builder, const struct line_state *state)
{
    const struct line_filter *filter = builder->filter;
    struct line_table *table = builder->table;
    if (!builder->started) {
        builder->started = true;
        builder->skipped =
            state->address < filter->base || !filter->is_wanted(state->address, filter->context);
    }
    struct line_row row = {.line = state->line <= INT32_MAX ? (uint32_t)state->line : 0,
                           .file = state->file < UINT32_MAX ? (uint32_t)state->file : UINT32_MAX};
    if (builder->skipped || !offset_of(builder, state->address, &row.offset))
        return 0;
    if (table->count > builder->sequence && table->row[table->count - 1].offset == row.offset)
        table->count--;
    if (table->count > builder->sequence) {
        const struct line_row *before = &table->row[table->count - 1];
        if (before->line == row.line && before->file == row.file)
            return 0;
        builder->sorted &= before->offset <= row.offset;
    }
    return row_push(table, &row);
}

static int sequence_end(struct line_builder *builder, const struct line_state *state)
{
    struct line_table *table = builder->table;
    builder->started = builder->skipped = false;
    if (table->count == builder->sequence)
        return 0;
    struct line_row end = {0};
    if (!offset_of(builder, state->address, &end.offset)) {
        table->count = builder->sequence;
        return 0;
    }
    if (builder->sequence && table->row[builder->sequence - 1].offset > table->row[builder->sequence].offset)
        builder->sorted = false;
    const int error = row_push(table, &end);
    builder->sequence = table->count;
    return error;
}

static int run_extended(struct reader *code, struct line_builder *builder, struct line_state *state)
{
    const uint64_t length = read_uleb(code);
    int error = 0;
    if (length == 0 || length > (uint64_t)(code->end - code->at))
        return -EINVAL;
    const uint8_t *next = code->at + length;
    switch (read_fixed(code, 1)) {
    case DW_LNE_end_sequence:
        error = sequence_end(builder, state);
        *state = (struct line_state){.file = 1, .line = 1};
        break;
    case DW_LNE_set_address:
        state->address = read_fixed(code, (unsigned)(length - 1 <= 8 ? length - 1 : 9));
        break;
    }
    code->at = next;
    return error;
}

static int run_standard(const struct line_program *program, struct reader *code, unsigned opcode,
                        struct line_builder *builder, struct line_state *state)
{
    switch (opcode) {
    case DW_LNS_copy:
        return row_emit(builder, state);
    case DW_LNS_advance_pc:
        state->address += read_uleb(code) * program->unit_length;
        break;
    case DW_LNS_advance_line:
        state->line += read_leb(code, true);
        break;
    case DW_LNS_set_file:
        state->file = read_uleb(code);
        break;
    case DW_LNS_const_add_pc:
        state->address += (255 - program->opcode_base) / program->line_range * program->unit_length;
        break;
    case DW_LNS_fixed_advance_pc:
        state->address += read_fixed(code, 2);
        break;
    default:
        for (unsigned i = 0; i < program->operands[opcode]; i++)
            read_uleb(code);
    }
    return 0;
}

static int program_run(const struct line_program *program, struct line_builder *builder)
{
    struct reader code = program->code;
    struct line_state state = {.file = 1, .line = 1};
    int error = 0;
    while (code.at < code.end && !code.bad && error == 0) {
        const unsigned opcode = (unsigned)read_fixed(&code, 1);
        if (opcode >= program->opcode_base) {
            const unsigned special = opcode - program->opcode_base;
            state.address += special / program->line_range * program->unit_length;
            state.line += (uint64_t)(int64_t)(program->line_base + (int)(special % program->line_range));
            error = row_emit(builder, &state);
        } else if (opcode == 0) {
            error = run_extended(&code, builder, &state);
        } else {
            error = run_standard(program, &code, opcode, builder, &state);
        }
    }
    builder->table->count =
        builder->sequence; /* rows of a sequence without end say nothing of where they stop */
    return error;
}

/* An end before a start at the same address, so that the last of equals is the one that holds. */
static int row_compare(const void *a, const void *b)
{
    const struct line_row *left = a, *right = b;
    if (left->offset != right->offset)
        return left->offset < right->offset ? -1 : 1;
    return (left->file != 0 || left->line != 0) - (right->file != 0 || right->line != 0);
}

int line_table_read(struct line_table *table, const struct line_source *source,
                    const struct line_filter *filter)
{
    struct line_program program;
    struct line_builder builder = {.table = table, .filter = filter, .sorted = true};
    *table = (struct line_table){0};
    int error = program_open(&program, source);
    if (error < 0)
        return error;
    error = program_run(&program, &builder);
    if (error == -ENOMEM) {
        line_table_free(table);
        return error;
    }
    if (!builder.sorted && table->count)
        qsort(table->row, table->count, sizeof *table->row, row_compare);
    table->row = array_fit(table->row, &table->room, table->count, sizeof *table->row);
    return 0;
}

void line_table_free(struct line_table *table)
{
    free(table->row);
    *table = (struct line_table){0};
}

const struct line_row *line_table_find(const struct line_table *table, uint64_t offset)
{
    const size_t until = array_count_until(table->row, table->count, sizeof *table->row, offset);
    const struct line_row *row = until ? &table->row[until - 1] : NULL;
    return row && (row->line || row->file) ? row : NULL;
}

/* One value of a version 5 table: a number, or (text) a string. */
static uint64_t read_form(const struct line_program *program, struct reader *r, uint64_t form,
                          const char **text)
{
    const struct line_sections *sections = program->sections;
    *text = "";
    switch (form) {
    case DW_FORM_string:
        *text = read_string(r);
        return 0;
    case DW_FORM_line_strp:
        *text = section_string(&sections->line_str, read_fixed(r, program->offset_size));
        return 0;
    case DW_FORM_strp:
        *text = section_string(&sections->str, read_fixed(r, program->offset_size));
        return 0;
    case DW_FORM_udata:
        return read_uleb(r);
    case DW_FORM_data1:
        return read_fixed(r, 1);
    case DW_FORM_data2:
        return read_fixed(r, 2);
    case DW_FORM_data4:
        return read_fixed(r, 4);
    case DW_FORM_data8:
        return read_fixed(r, 8);
    case DW_FORM_data16:
        read_skip(r, 16);
        return 0;
    case DW_FORM_block:
        read_skip(r, read_uleb(r));
        return 0;
    }
    r->bad = true;
    return 0;
}

struct file_entry {
    const char *name;
    uint64_t directory;
};

/* Reads a version 5 table to its end; *found is its entry number `wanted`. */
static void table_read(const struct line_program *program, struct reader *r, uint64_t wanted,
                       struct file_entry *found)
{
    uint64_t content[FORMATS_MOST], form[FORMATS_MOST];
    const unsigned formats = (unsigned)read_fixed(r, 1);
    for (unsigned i = 0; i < formats; i++) {
        content[i % FORMATS_MOST] = read_uleb(r);
        form[i % FORMATS_MOST] = read_uleb(r);
    }
    const uint64_t entries = read_uleb(r);
    r->bad |= formats > FORMATS_MOST || (formats == 0 && entries);
    for (uint64_t entry = 0; entry < entries && !r->bad; entry++) {
        for (unsigned i = 0; i < formats && !r->bad; i++) {
            const char *text;
            const uint64_t number = read_form(program, r, form[i], &text);
            if (entry != wanted)
                continue;
            if (content[i] == DW_LNCT_path)
                found->name = text;
            else if (content[i] == DW_LNCT_directory_index)
                found->directory = number;
        }
    }
}

static void names_read_5(const struct line_program *program, uint64_t file, struct file_entry *entry,
                         const char **directory)
{
    struct reader r = program->tables, again = r;
    struct file_entry none = {0}, found = {0};
    table_read(program, &r, UINT64_MAX, &none); /* directories: over them first, the file tells which */
    table_read(program, &r, file, entry);
    table_read(program, &again, entry->directory, &found);
    *directory = found.name;
}

/* Version 2 to 4: directories and files count from 1; directory 0 is the compiler's own. */
static void names_read_4(const struct line_program *program, uint64_t file, struct file_entry *entry,
                         const char **directory)
{
    struct reader r = program->tables, again = r;
    while (*read_string(&r))
        ;
    for (uint64_t i = 1; !r.bad; i++) {
        const char *name = read_string(&r);
        const uint64_t index = read_uleb(&r);
        if (!*name)
            return;
        read_uleb(&r); /* time */
        read_uleb(&r); /* size */
        if (i == file) {
            *entry = (struct file_entry){name, index};
            break;
        }
    }
    for (uint64_t i = 1; i <= entry->directory && !again.bad; i++) {
        *directory = read_string(&again);
        if (!**directory)
            return;
    }
}

static void path_append(char *path, size_t size, size_t *length, const char *part)
{
    if (!part || !*part)
        return;
    if (*part == '/')
        *length = 0;
    else if (*length && path[*length - 1] != '/' && *length + 1 < size)
        path[(*length)++] = '/';
    const size_t room = size - 1 - *length, wanted = strlen(part);
    memcpy(path + *length, part, wanted < room ? wanted : room);
    *length += wanted < room ? wanted : room;
}

size_t line_file_name(const struct line_source *source, uint64_t file, char *path, size_t size)
{
    struct line_program program;
    struct file_entry entry = {0};
    const char *directory = NULL;
    size_t length = 0;
    path[0] = '\0';
    if (program_open(&program, source) < 0)
        return 0;
    (program.version >= 5 ? names_read_5 : names_read_4)(&program, file, &entry, &directory);
    if (!entry.name || !*entry.name)
        return 0;
    const char *const part[] = {source->directory, directory, entry.name};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        path_append(path, size, &length, part[i]);
    path[length] = '\0';
    return length;
}
