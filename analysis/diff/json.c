/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of a comparison. docs/diff.md has its form, which is stable: fields may be added, and none change. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "print.h"
#include "uploader/encoding/json.h"
#include "uploader/options/options.h"

static const char *const normalize_names[] = {"none", "time", "total"};
static const char *const basis_names[] = {"sampling", "runs", "one_run", "ranks", "share"};

static void put_key(FILE *file, const char *key, const char *text)
{
    fprintf(file, "\"%s\":", key);
    json_put_text(file, text);
}

static void put_change(FILE *file, const struct change *change)
{
    fprintf(file,
            "{\"a\":%.15g,\"b\":%.15g,\"change\":%.15g,\"error\":%.6g,\"basis\":\"%s\",\"significant\":%s}",
            change->a, change->b, change->delta, change->error, basis_names[change->basis],
            change->significant ? "true" : "false");
}

static void put_side(FILE *file, const struct printed *printed, unsigned which)
{
    const struct side *side = &printed->side[which];

    fputs(which ? ",\"b\":{" : ",\"a\":{", file);
    put_key(file, "name", side->name);
    fputc(',', file);
    put_key(file, "program", printed->compared->pairing->program[which]);
    fprintf(file, ",\"seconds\":%.9g,\"runs\":[", side_seconds(side, which, printed->compared->pairing));
    for (size_t i = 0; i < side->runs; i++) {
        fputs(i ? "," : "", file);
        json_put_text(file, side->run[i].path);
    }
    fputs("]}", file);
}

static void put_total(FILE *file, const struct compared *compared)
{
    fputc('{', file);
    put_key(file, "kind", compared->pairing->kind);
    fputc(',', file);
    put_key(file, "type", compared->pairing->type);
    fputc(',', file);
    put_key(file, "unit", compared->pairing->unit);
    fprintf(file,
            ",\"normalize\":\"%s\",\"means_of\":\"%s\",\"total\":", normalize_names[compared->normalize],
            compared->of_intervals ? "intervals" : "runs");
    put_change(file, &compared->change);
    fputc('}', file);
}

static void put_functions(FILE *file, const struct compared *compared)
{
    fputs(",\n\"functions\":[", file);
    for (size_t i = 0; i < compared->functions; i++) {
        const struct compared_function *function = &compared->function[i];
        const struct read_function *of = &compared->align.function[function->function];
        fputs(i ? ",\n{" : "\n{", file);
        put_key(file, "name", of->name);
        fputc(',', file);
        put_key(file, "file", of->file);
        fputc(',', file);
        put_key(file, "module", of->module);
        fputs(",\"own\":", file);
        put_change(file, &function->own_change);
        fputs(",\"cumulative\":", file);
        put_change(file, &function->cumulative_change);
        fputc('}', file);
    }
    fputs("]", file);
}

struct frame_list {
    FILE *file;
    const char *before;
};

static void put_frame(void *context, const char *name)
{
    struct frame_list *list = context;

    fputs(list->before, list->file);
    json_put_text(list->file, name);
    list->before = ",";
}

/* Leaf first, as pprof has them. */
static void put_stacks(FILE *file, const struct compared *compared)
{
    fputs(",\n\"stacks\":[", file);
    for (size_t i = 0; i < compared->stacks; i++) {
        const struct compared_stack *stack = &compared->stack[i];
        struct frame_list list = {file, ""};
        fputs(i ? ",\n{\"frames\":[" : "\n{\"frames\":[", file);
        align_names(&compared->align.stack[stack->stack], put_frame, &list);
        fputs("],\"own\":", file);
        put_change(file, &stack->change);
        fputc('}', file);
    }
    fputs("]", file);
}

static void put_limit(FILE *file, const struct printed *printed)
{
    const struct limit *limit = &printed->limit;

    if (!limit->of)
        return;
    fprintf(file, ",\n\"limit\":{\"percent\":%.15g,\"function\":", limit->percent);
    if (limit->function)
        json_put_text(file, limit->function);
    else
        fputs("null", file);
    fputs(",\"change\":", file);
    put_change(file, limit->of);
    fprintf(file, ",\"above\":%s}", limit->is_above ? "true" : "false");
}

void print_json(FILE *file, const struct printed *printed)
{
    const struct compared *compared = printed->compared;

    fputs("{\"version\":1,", file);
    put_key(file, "cprof", CPROF_VERSION);
    put_side(file, printed, 0);
    put_side(file, printed, 1);
    fprintf(file, ",\n\"level\":{\"total\":%.3f,\"listed\":%.3f},\n\"compared\":", LEVEL_NAMED,
            compared->level);
    put_total(file, compared);
    fputs(",\n\"others\":[", file);
    for (size_t i = 0; i < printed->summaries; i++) {
        fputs(i ? ",\n" : "\n", file);
        put_total(file, &printed->summary[i]);
    }
    fputs("]", file);
    if (printed->growth.seconds > 0)
        fprintf(file, ",\n\"growth\":{\"seconds\":%.9g,\"per_hour\":%.15g,\"one_process\":%s}",
                printed->growth.seconds, compared->change.delta / printed->growth.seconds * 3600,
                printed->growth.one_process ? "true" : "false");
    put_limit(file, printed);
    put_functions(file, compared);
    put_stacks(file, compared);
    fputs("}\n", file);
}
