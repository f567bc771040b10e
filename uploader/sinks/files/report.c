/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's profiles as JSON. Stacks are a tree of (parent, frame) in the order of discovery, root first,
 * so that a parent's number is lower than its children's; a sample names its leaf. report.html makes every
 * view from that.
 *
 *  {program, service, start, end, comments: [text],
 *   profiles: [{name, values: [[type, unit]], default, states: bits, period: [n, type, unit],
 *               strings: [text], frames: [function, file, module, line * 2 + inlined, ...],
 *               nodes: [parent + 1, frame, ...], threads: [string, ...],
 *               samples: [node, thread, pid, value, ...], rest: samples summed up in one}]}
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"
#include "uploader/base/ids.h"
#include "uploader/base/utf8.h"

enum {
    MOST_SAMPLES = 10000, /* of one profile, the weightiest; the others are summed up in one */
    MOST_NODES = 60000,
    MOST_BYTES = 8 << 20, /* of all programs */
    FRAME_WORDS = 4,
    NODE_WORDS = 2,
};

#define REST_NAME "[smaller stacks, not in this report]"
#define DATA_MARK "@DATA@"

/* The page, with DATA_MARK where the JSON goes. */
__asm__(".section .rodata\n"
        ".local report_page, report_page_end\n"
        "report_page: .incbin \"uploader/sinks/files/report.html\"\n"
        "report_page_end: .byte 0\n"
        ".previous\n");
extern const char report_page[] __attribute__((visibility("hidden")));
extern const char report_page_end[] __attribute__((visibility("hidden")));

struct program {
    char *json;
    size_t size;
};

struct report {
    struct program *program; /* by its number */
    size_t programs;
    size_t bytes;
    unsigned left_out; /* updates of programs that there was no room for */
};

/* One profile on its way to JSON. */
struct tree {
    struct text_ids strings;
    struct ids line; /* struct symbol_line * 2 + inlined, to */
    uint32_t *frame; /* frame, by line number - 1 */
    size_t frame_room;
    struct ids frames; /* function, file, module, line * 2 + inlined */
    struct ids nodes;  /* parent node or 0, frame */
    struct ids threads;
    bool failed;
};

/* "<" would let a name end the script element; the rest of what is escaped is not allowed in JSON. */
static void put_text(FILE *out, const char *text)
{
    putc('"', out);
    while (*text) {
        size_t length = utf8_length(text);
        if (!length)
            fputs("\\ufffd", out);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f || strchr("\"\\<>&", *text))
            fprintf(out, "\\u%04x", *text);
        else
            fwrite(text, 1, length, out);
        text += length ? length : 1;
    }
    putc('"', out);
}

static uint32_t text_number(struct tree *tree, const char *text)
{
    uint32_t number = text_ids_get(&tree->strings, text ? text : "", NULL);

    tree->failed |= !number;
    return number;
}

static uint32_t number_in(struct tree *tree, struct ids *ids, const uint64_t *key, bool *added)
{
    uint32_t number = ids_get(ids, key, added);

    tree->failed |= !number;
    return number;
}

static uint32_t frame_of(struct tree *tree, const struct elf_module *module, const struct symbol_line *line,
                         bool inlined)
{
    const uint64_t key[FRAME_WORDS] = {
        text_number(tree, line->function),
        text_number(tree, line->file),
        text_number(tree, module ? module->name : ""),
        (uint64_t)line->start_line << 1 | inlined,
    };

    return number_in(tree, &tree->frames, key, NULL);
}

/* Lines are looked up by address first: hashing their texts for every sample would take most of the time. */
static uint32_t frame_number(struct tree *tree, const struct elf_module *module,
                             const struct symbol_line *line, bool inlined)
{
    bool added;
    uint32_t number = number_in(tree, &tree->line, &(uint64_t){(uintptr_t)line << 1 | inlined}, &added);

    uint32_t *frame =
        number ? array_reserve(tree->frame, &tree->frame_room, number - 1, sizeof *frame) : NULL;

    tree->failed |= !frame;
    if (!frame)
        return 0;
    tree->frame = frame;
    if (tree->failed)
        return 0;
    if (added)
        tree->frame[number - 1] = frame_of(tree, module, line, inlined);
    return tree->frame[number - 1];
}

static uint32_t child_node(struct tree *tree, uint32_t parent, uint32_t frame)
{
    return number_in(tree, &tree->nodes, (const uint64_t[NODE_WORDS]){parent, frame}, NULL);
}

static uint32_t node_of(struct tree *tree, const struct profile_frame *frame)
{
    const struct symbol_location *location = frame ? frame->location : NULL;
    uint32_t node = frame ? node_of(tree, frame->caller) : 0;

    for (unsigned n = location ? location->line_count : 0; n--;) {
        bool inlined = n + 1 < location->line_count;
        node = child_node(tree, node, frame_number(tree, location->module, &location->lines[n], inlined));
    }
    return node;
}

struct weighted {
    const struct profile_sample *sample;
    double weight; /* largest share of any value's total */
};

static int compare_weights(const void *a, const void *b)
{
    double left = ((const struct weighted *)a)->weight, right = ((const struct weighted *)b)->weight;

    return (left < right) - (left > right);
}

static struct weighted *sort_samples(const struct profile *profile, size_t *count)
{
    struct weighted *list = malloc((profile_count(profile) + 1) * sizeof(*list));
    unsigned values = profile_get_kind(profile)->values;
    int64_t total[PROFILE_VALUES];
    size_t cursor = 0;

    *count = 0;
    for (unsigned i = 0; i < values; i++)
        total[i] = profile_total(profile, i);
    while (list && (list[*count].sample = profile_next(profile, &cursor))) {
        struct weighted *item = &list[(*count)++];
        item->weight = 0;
        for (unsigned i = 0; i < values; i++) {
            double share = total[i] > 0 ? (double)item->sample->value[i] / (double)total[i] : 0;
            if (share > item->weight)
                item->weight = share;
        }
    }
    if (list)
        qsort(list, *count, sizeof(*list), compare_weights);
    return list;
}

static void put_sample(struct tree *tree, FILE *out, uint32_t node, const struct profile_sample *sample,
                       unsigned values, bool first)
{
    uint64_t name = text_number(tree, sample->thread);

    fprintf(out, "%s%u,%u,%u", first ? "" : ",", node, number_in(tree, &tree->threads, &name, NULL) - 1,
            sample->pid);
    for (unsigned i = 0; i < values; i++)
        fprintf(out, ",%lld", (long long)sample->value[i]);
}

static void put_samples(struct tree *tree, FILE *out, const struct profile *profile,
                        const struct weighted *list, size_t count)
{
    unsigned values = profile_get_kind(profile)->values;
    const struct symbol_line rest_line = {.function = REST_NAME, .linkage = REST_NAME, .file = ""};
    struct profile_sample rest = {.thread = ""};
    size_t n = 0;

    fputs(",\"samples\":[", out);
    for (; n < count && n < MOST_SAMPLES && tree->nodes.used < MOST_NODES && !tree->failed; n++)
        put_sample(tree, out, node_of(tree, list[n].sample->stack), list[n].sample, values, !n);
    for (size_t i = n; i < count; i++)
        for (unsigned v = 0; v < values; v++)
            if (__builtin_add_overflow(rest.value[v], list[i].sample->value[v], &rest.value[v]))
                rest.value[v] = INT64_MAX;
    if (n < count)
        put_sample(tree, out, child_node(tree, 0, frame_of(tree, NULL, &rest_line, false)), &rest, values,
                   !n);
    fprintf(out, "],\"rest\":%zu", count - n);
}

static void put_numbers(FILE *out, const char *name, const struct ids *ids)
{
    size_t count = (size_t)ids->used * ids->words;

    fprintf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "%s%llu", i ? "," : "", (unsigned long long)ids->key[i]);
    putc(']', out);
}

static void put_kind(FILE *out, const struct profile_kind *kind, int64_t period)
{
    fprintf(out, "{\"name\":\"%s\",\"values\":[", kind->name);
    for (unsigned i = 0; i < kind->values; i++)
        fprintf(out, "%s[\"%s\",\"%s\"]", i ? "," : "", kind->value[i].type, kind->value[i].unit);
    fprintf(out, "],\"default\":%u,\"states\":%u,\"period\":[%lld,\"%s\",\"%s\"]", kind->default_value,
            kind->snapshot_values, (long long)period, kind->period_type.type, kind->period_type.unit);
}

static int put_profile(FILE *out, const struct profile *profile, int64_t period)
{
    struct tree tree = {
        .line.words = 1, .frames.words = FRAME_WORDS, .nodes.words = NODE_WORDS, .threads.words = 1};
    size_t count;
    struct weighted *list = sort_samples(profile, &count);

    tree.failed = !list;
    if (list) {
        put_kind(out, profile_get_kind(profile), period);
        put_samples(&tree, out, profile, list, count);
        put_numbers(out, "frames", &tree.frames);
        put_numbers(out, "nodes", &tree.nodes);
        put_numbers(out, "threads", &tree.threads);
        fputs(",\"strings\":[", out);
        for (uint32_t i = 0; i < tree.strings.ids.used; i++) {
            fputs(i ? "," : "", out);
            put_text(out, text_ids_text(&tree.strings, i + 1));
        }
        fputs("]}", out);
    }
    free(list);
    free(tree.frame);
    text_ids_free(&tree.strings);
    ids_free(&tree.line);
    ids_free(&tree.frames);
    ids_free(&tree.nodes);
    ids_free(&tree.threads);
    return tree.failed ? -ENOMEM : 0;
}

static void put_pair(FILE *out, const char *name, const char *text)
{
    fprintf(out, "\"%s\":", name);
    put_text(out, text);
    putc(',', out);
}

static int put_program(FILE *out, const struct upload *upload, const char *name)
{
    const char *const *comment = upload->merged_comments;
    int error = 0;
    bool first = true;

    putc('{', out);
    put_pair(out, "program", *name ? name : upload->program);
    put_pair(out, "service", upload->service);
    fprintf(out, "\"start\":%lld,\"end\":%lld,\"comments\":[",
            (long long)(upload->session_start_ns / 1000000), (long long)(upload->end_ns / 1000000));
    for (unsigned i = 0; comment && comment[i]; i++) {
        fputs(i ? "," : "", out);
        put_text(out, comment[i]);
    }
    fputs("],\"profiles\":[", out);
    for (unsigned i = 0; i < KIND_IDS; i++) {
        if (!upload->merged[i])
            continue;
        fputs(first ? "" : ",", out);
        first = false;
        error = error ? error : put_profile(out, upload->merged[i], upload->period[i]);
    }
    fputs("]}", out);
    return error;
}

static struct program *find_program(struct report *report, unsigned number)
{
    struct program *grown = array_reserve(report->program, &report->programs, number, sizeof *grown);

    if (!grown)
        return NULL;
    report->program = grown;
    return &grown[number];
}

/* Takes json. A program whose new profiles do not fit keeps the ones it had. */
static int keep(struct report *report, unsigned number, char *json, size_t size)
{
    struct program *program = find_program(report, number);

    if (!program || report->bytes - program->size + size > MOST_BYTES) {
        report->left_out++;
        free(json);
        return 0;
    }
    report->bytes += size - program->size;
    free(program->json);
    program->json = json;
    program->size = size;
    return 0;
}

int report_update(struct report *report, const struct upload *upload, const char *name)
{
    char *json = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&json, &size);
    int error;

    if (!out)
        return -ENOMEM;
    error = put_program(out, upload, name);
    if (fclose(out) || error) {
        free(json);
        return -ENOMEM;
    }
    return keep(report, upload->number, json, size);
}

int report_write(const struct report *report, FILE *out)
{
    const char *mark = strstr(report_page, DATA_MARK);
    bool first = true;

    errno = 0; /* what is left in it at the end is the reason of a failed write */
    fwrite(report_page, 1, (size_t)(mark - report_page), out);
    fprintf(out, "{\"version\":\"%s\",\"left_out\":%u,\"programs\":[", CPROF_VERSION, report->left_out);
    for (size_t i = 0; i < report->programs; i++) {
        const struct program *program = &report->program[i];
        if (!program->json)
            continue;
        fputs(first ? "" : ",\n", out);
        fwrite(program->json, 1, program->size, out);
        first = false;
    }
    fputs("]}", out);
    mark += strlen(DATA_MARK);
    fwrite(mark, 1, (size_t)(report_page_end - mark), out);
    return ferror(out) ? -(errno ? errno : EIO) : 0;
}

struct report *report_new(void)
{
    return calloc(1, sizeof(struct report));
}

void report_free(struct report *report)
{
    if (!report)
        return;
    for (size_t i = 0; i < report->programs; i++)
        free(report->program[i].json);
    free(report->program);
    free(report);
}
