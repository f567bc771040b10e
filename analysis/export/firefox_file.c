/* SPDX-License-Identifier: Apache-2.0 */
#include "firefox_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/json.h"
#include "uploader/options/options.h"

/* A column: fills it by one number of each entry of each part. */
typedef void put_entry(struct firefox_file *file, const struct firefox_part *part, size_t entry);
enum table { TABLE_FUNCTIONS, TABLE_FRAMES, TABLE_NODES };

static size_t count_of(const struct firefox_part *part, enum table table)
{
    return table == TABLE_FUNCTIONS ? part->profile->functions
           : table == TABLE_FRAMES  ? part->profile->frames
                                    : part->profile->nodes - 1;
}

static void put_column(struct firefox_file *file, enum table table, const char *name, put_entry *put)
{
    bool first = true;

    fprintf(file->out, "\"%s\":[", name);
    for (size_t i = 0; i < file->parts; i++)
        for (size_t entry = 0; entry < count_of(&file->part[i], table); entry++) {
            if (!first)
                putc(',', file->out);
            first = false;
            put(file, &file->part[i], entry);
        }
    fputs("],\n", file->out);
}

static void put_length(struct firefox_file *file, enum table table)
{
    size_t count = 0;

    for (size_t i = 0; i < file->parts; i++)
        count += count_of(&file->part[i], table);
    fprintf(file->out, "\"length\":%zu}", count);
}

static void put_text(struct firefox_file *file, const char *text)
{
    fprintf(file->out, "%" PRIu32, text_ids_find(&file->strings, text) - 1);
}

static void put_zero(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    (void)part, (void)entry;
    putc('0', file->out);
}

static void put_minus_one(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    (void)part, (void)entry;
    fputs("-1", file->out);
}

static void put_null(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    (void)part, (void)entry;
    fputs("null", file->out);
}

static void put_false(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    (void)part, (void)entry;
    fputs("false", file->out);
}

static void put_frame_function(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    fprintf(file->out, "%" PRIu32, part->functions + part->profile->frame[entry].function);
}

static void put_frame_line(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    if (part->profile->frame[entry].line > 0)
        fprintf(file->out, "%" PRId64, part->profile->frame[entry].line);
    else
        fputs("null", file->out);
}

static void put_frame_depth(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    putc(part->profile->frame[entry].inlined ? '1' : '0', file->out);
}

static void put_function_name(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    put_text(file, part->profile->function[entry].name);
}

/* Resources are libraries, in the same order. */
static void put_function_resource(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    const char *module = part->profile->function[entry].module;

    fprintf(file->out, "%" PRId64, *module ? (int64_t)text_ids_find(&file->libs, module) - 1 : -1);
}

static void put_function_source(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    if (*part->profile->function[entry].file)
        put_text(file, part->profile->function[entry].file);
    else
        fputs("null", file->out);
}

static void put_function_line(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    if (part->profile->function[entry].line > 0)
        fprintf(file->out, "%" PRId64, part->profile->function[entry].line);
    else
        fputs("null", file->out);
}

/* The root is no stack of the file, so node 1 is stack 0. */
static void put_node_frame(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    fprintf(file->out, "%" PRIu32, part->frames + part->profile->node[entry + 1].frame);
}

static void put_node_prefix(struct firefox_file *file, const struct firefox_part *part, size_t entry)
{
    uint32_t parent = part->profile->node[entry + 1].parent;

    if (parent)
        fprintf(file->out, "%" PRIu32, part->nodes + parent - 1);
    else
        fputs("null", file->out);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static int intern(struct firefox_file *file, const char *text)
{
    return text_ids_get(&file->strings, text, NULL) ? 0 : -ENOMEM;
}

static int intern_function(struct firefox_file *file, const struct read_function *function)
{
    int rc = intern(file, function->name);

    if (!rc)
        rc = intern(file, function->file);
    if (!rc && *function->module) {
        rc = intern(file, base_name(function->module));
        if (!rc && !text_ids_get(&file->libs, function->module, NULL))
            rc = -ENOMEM;
    }
    return rc;
}

/* What the tables refer to, and where each part has its place in them. */
int firefox_number_all(struct firefox_file *file)
{
    uint32_t functions = 0, frames = 0, nodes = 0;
    int rc = intern(file, "");

    for (size_t i = 0; i < file->parts; i++) {
        struct firefox_part *part = &file->part[i];
        for (size_t f = 0; f < part->profile->functions && !rc; f++)
            rc = intern_function(file, &part->profile->function[f]);
        part->functions = functions;
        part->frames = frames;
        part->nodes = nodes;
        functions += (uint32_t)part->profile->functions;
        frames += (uint32_t)part->profile->frames;
        nodes += (uint32_t)part->profile->nodes - 1;
    }
    return rc;
}

static void put_meta(struct firefox_file *file, const char *name)
{
    const struct read_profile *profile = file->part[0].profile;
    bool is_time = profile->period > 0 && !strcmp(profile->period_type.unit, "nanoseconds");

    fputs("{\"meta\":{\"product\":", file->out);
    json_put_text(file->out, name);
    fprintf(
        file->out,
        ",\"importedFrom\":\"cprof " CPROF_VERSION "\",\"interval\":%g,\"startTime\":%" PRId64
        ",\"processType\":0,\"stackwalk\":1,\"version\":27,\"preprocessedProfileVersion\":60,\n"
        "\"symbolicated\":true,\"symbolicationNotSupported\":true,\"usesOnlyOneStackType\":true,"
        "\"sourceCodeIsNotOnSearchfox\":true,\n"
        "\"sampleUnits\":{\"time\":\"ms\",\"eventDelay\":\"ms\",\"threadCPUDelta\":\"ns\"},\n"
        "\"categories\":[{\"name\":\"Other\",\"color\":\"grey\",\"subcategories\":[\"Other\"]},"
        "{\"name\":\"Native\",\"color\":\"blue\",\"subcategories\":[\"Other\"]}],\n\"markerSchema\":[]},\n",
        is_time ? (double)profile->period / 1e6 : 1.0, file->start_ms);
}

static void put_libs(struct firefox_file *file)
{
    fputs("\"libs\":[", file->out);
    for (uint32_t i = 1; i <= file->libs.ids.used; i++) {
        const char *path = text_ids_text(&file->libs, i);
        fputs(i > 1 ? ",\n{\"name\":" : "{\"name\":", file->out);
        json_put_text(file->out, base_name(path));
        fputs(",\"path\":", file->out);
        json_put_text(file->out, path);
        fputs(",\"debugName\":", file->out);
        json_put_text(file->out, base_name(path));
        fputs(",\"debugPath\":", file->out);
        json_put_text(file->out, path);
        fputs(",\"arch\":\"\",\"breakpadId\":\"000000000000000000000000000000000\",\"codeId\":null}",
              file->out);
    }
    fputs("],\n\"pages\":[],\n", file->out);
}

static void put_strings(struct firefox_file *file)
{
    fputs("\"stringArray\":[", file->out);
    for (uint32_t i = 1; i <= file->strings.ids.used; i++) {
        if (i > 1)
            fputs(",\n", file->out);
        json_put_text(file->out, text_ids_text(&file->strings, i));
    }
    fputs("],\n", file->out);
}

/* A source for each text, so that both have the same numbers. */
static void put_sources(struct firefox_file *file)
{
    uint32_t count = file->strings.ids.used;

    fputs("\"sources\":{\"uuid\":[", file->out);
    for (uint32_t i = 0; i < count; i++)
        fputs(i ? ",null" : "null", file->out);
    fputs("],\"filename\":[", file->out);
    for (uint32_t i = 0; i < count; i++)
        fprintf(file->out, i ? ",%" PRIu32 : "%" PRIu32, i);
    fprintf(file->out, "],\"length\":%" PRIu32 "},\n", count);
}

static void put_repeated(struct firefox_file *file, const char *name, const char *value)
{
    fprintf(file->out, "\"%s\":[", name);
    for (uint32_t i = 0; i < file->libs.ids.used; i++)
        fprintf(file->out, "%s%s", i ? "," : "", value);
    fputs("],", file->out);
}

static void put_resources(struct firefox_file *file)
{
    fputs("\"resourceTable\":{\"lib\":[", file->out);
    for (uint32_t i = 0; i < file->libs.ids.used; i++)
        fprintf(file->out, i ? ",%" PRIu32 : "%" PRIu32, i);
    fputs("],\"name\":[", file->out);
    for (uint32_t i = 1; i <= file->libs.ids.used; i++) {
        if (i > 1)
            putc(',', file->out);
        put_text(file, base_name(text_ids_text(&file->libs, i)));
    }
    fputs("],", file->out);
    put_repeated(file, "host", "null");
    put_repeated(file, "type", "1");
    fprintf(file->out, "\"length\":%" PRIu32 "},\n", file->libs.ids.used);
}

static void put_frames(struct firefox_file *file)
{
    fputs("\"frameTable\":{", file->out);
    put_column(file, TABLE_FRAMES, "address", put_minus_one);
    put_column(file, TABLE_FRAMES, "inlineDepth", put_frame_depth);
    put_column(file, TABLE_FRAMES, "category", put_zero);
    put_column(file, TABLE_FRAMES, "subcategory", put_zero);
    put_column(file, TABLE_FRAMES, "func", put_frame_function);
    put_column(file, TABLE_FRAMES, "nativeSymbol", put_null);
    put_column(file, TABLE_FRAMES, "innerWindowID", put_zero);
    put_column(file, TABLE_FRAMES, "line", put_frame_line);
    put_column(file, TABLE_FRAMES, "column", put_null);
    put_length(file, TABLE_FRAMES);
}

static void put_functions(struct firefox_file *file)
{
    fputs(",\n\"funcTable\":{", file->out);
    put_column(file, TABLE_FUNCTIONS, "name", put_function_name);
    put_column(file, TABLE_FUNCTIONS, "isJS", put_false);
    put_column(file, TABLE_FUNCTIONS, "relevantForJS", put_false);
    put_column(file, TABLE_FUNCTIONS, "resource", put_function_resource);
    put_column(file, TABLE_FUNCTIONS, "source", put_function_source);
    put_column(file, TABLE_FUNCTIONS, "lineNumber", put_function_line);
    put_column(file, TABLE_FUNCTIONS, "columnNumber", put_null);
    put_length(file, TABLE_FUNCTIONS);
}

static void put_shared(struct firefox_file *file)
{
    fputs("\"shared\":{", file->out);
    put_strings(file);
    put_sources(file);
    put_resources(file);
    fputs(
        "\"nativeSymbols\":{\"libIndex\":[],\"address\":[],\"name\":[],\"functionSize\":[],\"length\":0},\n",
        file->out);
    put_frames(file);
    put_functions(file);
    fputs(",\n\"stackTable\":{", file->out);
    put_column(file, TABLE_NODES, "frame", put_node_frame);
    put_column(file, TABLE_NODES, "prefix", put_node_prefix);
    put_length(file, TABLE_NODES);
    fputs("},\n", file->out);
}

void firefox_put_head(struct firefox_file *file, const char *name)
{
    put_meta(file, name);
    put_libs(file);
    put_shared(file);
}
