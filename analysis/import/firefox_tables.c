/* SPDX-License-Identifier: Apache-2.0 */
#include "firefox_tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "uploader/base/array.h"

int column_read(struct json *json, struct column *column)
{
    for (json_array(json); json_more(json);) {
        int32_t value = json_null(json) ? -1 : (int32_t)json_integer(json, INT32_MIN, INT32_MAX);
        int32_t *grown = array_reserve(column->value, &column->room, column->count, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        column->value = grown;
        column->value[column->count++] = value;
    }
    return 0;
}

static const struct {
    const char *table, *name;
    size_t offset;
} columns[] = {
    {"stackTable", "frame", offsetof(struct firefox_tables, stack_frame)},
    {"stackTable", "prefix", offsetof(struct firefox_tables, stack_prefix)},
    {"stackTable", "prefixOffset", offsetof(struct firefox_tables, stack_prefix)},
    {"frameTable", "func", offsetof(struct firefox_tables, frame_func)},
    {"frameTable", "line", offsetof(struct firefox_tables, frame_line)},
    {"frameTable", "inlineDepth", offsetof(struct firefox_tables, frame_depth)},
    {"frameTable", "lib", offsetof(struct firefox_tables, frame_lib)},
    {"funcTable", "name", offsetof(struct firefox_tables, func_name)},
    {"funcTable", "resource", offsetof(struct firefox_tables, func_resource)},
    {"funcTable", "source", offsetof(struct firefox_tables, func_source)},
    {"funcTable", "fileName", offsetof(struct firefox_tables, func_file)},
    {"funcTable", "lineNumber", offsetof(struct firefox_tables, func_line)},
    {"resourceTable", "lib", offsetof(struct firefox_tables, resource_lib)},
    {"sources", "filename", offsetof(struct firefox_tables, source_file)},
};

enum { COLUMNS = sizeof columns / sizeof columns[0] };

static int read_table(struct firefox_tables *tables, struct json *json, const char *table)
{
    int rc = 0;

    for (json_object(json); !rc && json_key(json);) {
        size_t i = 0;
        while (i < COLUMNS && (strcmp(columns[i].table, table) != 0 || !json_is(json, columns[i].name)))
            i++;
        if (i == COLUMNS) {
            json_skip(json);
            continue;
        }
        tables->prefix_is_offset |= json_is(json, "prefixOffset");
        rc = column_read(json, (struct column *)((char *)tables + columns[i].offset));
    }
    return rc;
}

static int read_strings(struct firefox_tables *tables, struct json *json, struct reading *reading)
{
    for (json_array(json); json_more(json);) {
        const char *text = build_text(reading, json_text_or_null(json));
        const char **grown =
            array_reserve(tables->string, &tables->string_room, tables->strings, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        tables->string = grown;
        tables->string[tables->strings++] = text;
    }
    return 0;
}

int firefox_tables_read(struct firefox_tables *tables, struct json *json, struct reading *reading)
{
    if (json_is(json, "stringArray") || json_is(json, "stringTable"))
        return read_strings(tables, json, reading);
    for (size_t i = 0; i < COLUMNS; i++)
        if (json_is(json, columns[i].table))
            return read_table(tables, json, columns[i].table);
    json_skip(json);
    return 0;
}

void firefox_tables_free(struct firefox_tables *tables)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        struct column *column = (struct column *)((char *)tables + columns[i].offset);
        free(column->value);
        column->value = NULL;
    }
    free(tables->string);
}

const char *firefox_text(const struct firefox_tables *tables, int32_t number)
{
    return number >= 0 && (size_t)number < tables->strings ? tables->string[number] : "";
}
