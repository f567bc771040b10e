/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/base/array.h"

enum { FIELDS = 16, ERROR = 256, PART_LINE = 256 };

void frame_free(struct frame *frame)
{
    for (size_t i = 0; i < frame->parts; i++)
        free(frame->part[i].data);
    free(frame->text);
    free(frame->program);
    free(frame->process);
    free(frame->loss);
    free(frame->part);
    *frame = (struct frame){0};
}

const struct frame_program *frame_find(const struct frame *frame, unsigned number)
{
    for (size_t i = 0; i < frame->programs; i++)
        if (frame->program[i].number == number)
            return &frame->program[i];
    return NULL;
}

/* ---- Lines ---- */

/* A line, cut at its tabs. A field that is not there is "". */
struct fields {
    const char *at[FIELDS];
    unsigned count;
};

static void split(char *line, struct fields *fields)
{
    fields->count = 0;
    for (unsigned i = 0; i < FIELDS; i++)
        fields->at[i] = "";
    while (line && fields->count < FIELDS) {
        char *tab = strchr(line, '\t');
        fields->at[fields->count++] = line;
        if (tab)
            *tab++ = 0;
        line = tab;
    }
}

static int64_t number(const struct fields *fields, unsigned n)
{
    return strtoll(fields->at[n], NULL, 10);
}

/* Nothing that is counted is negative. */
static int64_t amount(const struct fields *fields, unsigned n)
{
    int64_t value = number(fields, n);
    return value > 0 ? value : 0;
}

static int find_kind(const char *name)
{
    for (int kind = 0; kind < KIND_IDS; kind++)
        if (!strcmp(profile_kinds[kind].name, name))
            return kind;
    return -1;
}

static int take_session(struct frame *frame, const struct fields *fields)
{
    frame->session = fields->at[1];
    frame->uploader = (int)number(fields, 2);
    frame->version = fields->at[3];
    frame->session_ms = number(fields, 4);
    frame->recording = fields->at[5];
    return 0;
}

static int take_frame(struct frame *frame, const struct fields *fields)
{
    frame->start_ms = number(fields, 1);
    frame->end_ms = number(fields, 2);
    frame->own_cpu_ns = amount(fields, 3);
    frame->own_memory = amount(fields, 4);
    frame->last_cost_ns = amount(fields, 5);
    return frame->end_ms < frame->start_ms ? -EPROTO : 0;
}

/* A zeroed row, or NULL and *rc. */
static void *add_row(void *rows, size_t *room, size_t *count, size_t size, int *rc)
{
    char *grown = *count < FRAME_ROWS ? array_reserve(rows, room, *count + 1, size) : NULL;

    *rc = grown ? 0 : *count < FRAME_ROWS ? -ENOMEM : -E2BIG;
    if (grown)
        ++*count;
    return grown;
}

static int take_program(struct frame *frame, const struct fields *fields)
{
    int rc;
    struct frame_program *rows =
        add_row(frame->program, &frame->program_room, &frame->programs, sizeof *rows, &rc);

    if (!rows)
        return rc;
    frame->program = rows;
    rows[frame->programs - 1] = (struct frame_program){
        .number = (unsigned)number(fields, 1),
        .name = fields->at[2],
        .service = fields->at[3],
        .labels = fields->at[4],
        .alive = (uint64_t)amount(fields, 5),
        .cpu_ns = amount(fields, 6),
        .cost_ns = amount(fields, 7),
        .resident = amount(fields, 8),
        .blocks = amount(fields, 9),
        .objects = amount(fields, 10),
        .start_ms = number(fields, 11),
        .lowered = fields->at[12],
    };
    return 0;
}

static int take_process(struct frame *frame, const struct fields *fields)
{
    int rc;
    struct frame_process *rows =
        add_row(frame->process, &frame->process_room, &frame->processes, sizeof *rows, &rc);

    if (!rows)
        return rc;
    frame->process = rows;
    rows[frame->processes - 1] = (struct frame_process){
        .pid = (int)number(fields, 1),
        .program = (unsigned)number(fields, 2),
        .threads = (uint64_t)amount(fields, 3),
        .cpu_ns = amount(fields, 4),
        .own_ns = amount(fields, 5),
        .lost = (uint64_t)amount(fields, 6),
        .start_ms = number(fields, 7),
        .records = fields->at[8],
    };
    return 0;
}

static int take_loss(struct frame *frame, const struct fields *fields)
{
    int rc;
    struct frame_loss *rows = add_row(frame->loss, &frame->loss_room, &frame->losses, sizeof *rows, &rc);

    if (!rows)
        return rc;
    frame->loss = rows;
    rows[frame->losses - 1] = (struct frame_loss){.program = *fields->at[1] ? (int)number(fields, 1) : -1,
                                                  .count = (uint64_t)amount(fields, 2),
                                                  .text = fields->at[3]};
    return 0;
}

static int take_total(struct frame *frame, const struct fields *fields)
{
    int kind = find_kind(fields->at[2]);
    struct frame_program *program =
        (struct frame_program *)(uintptr_t)frame_find(frame, (unsigned)number(fields, 1));

    for (unsigned i = 0; program && kind >= 0 && i < PROFILE_VALUES; i++)
        program->total[kind][i] = number(fields, 3 + i);
    return 0;
}

static const struct {
    const char *word;
    int (*take)(struct frame *frame, const struct fields *fields);
} lines[] = {
    {"session", take_session}, {"frame", take_frame}, {"program", take_program},
    {"process", take_process}, {"loss", take_loss},   {"total", take_total},
};

/* Lines with other words are of a newer version. */
static int parse(struct frame *frame)
{
    struct fields fields;
    int rc = 0;

    frame->session = frame->version = frame->recording = "";
    for (char *line = frame->text, *end; line && *line && !rc; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        split(line, &fields);
        for (size_t i = 0; i < sizeof lines / sizeof lines[0] && !rc; i++)
            if (!strcmp(lines[i].word, fields.at[0]))
                rc = lines[i].take(frame, &fields);
    }
    return rc ? rc : *frame->session ? 0 : -EPROTO;
}

/* ---- Messages ---- */

static int add_text(struct frame *frame, const char *text, size_t size)
{
    char *grown;

    if (frame->size + size >= FRAME_TEXT)
        return -E2BIG;
    grown = array_reserve(frame->text, &frame->room, frame->size + size + 1, 1);
    if (!grown)
        return -ENOMEM;
    frame->text = grown;
    memcpy(grown + frame->size, text, size);
    frame->size += size;
    grown[frame->size] = 0;
    return 0;
}

static int add_part(struct frame *frame, const char *text, size_t size)
{
    char line[PART_LINE];
    struct fields fields;
    struct frame_part *parts;
    int kind;

    if (size >= sizeof line)
        return -EPROTO;
    memcpy(line, text, size);
    line[size] = 0;
    split(line, &fields);
    kind = find_kind(fields.at[1]);
    if (kind < 0)
        return -EPROTO;
    parts = frame->parts < FRAME_PARTS
                ? array_reserve(frame->part, &frame->part_room, frame->parts + 1, sizeof *parts)
                : NULL;
    if (!parts)
        return frame->parts < FRAME_PARTS ? -ENOMEM : -E2BIG;
    frame->part = parts;
    parts[frame->parts++] = (struct frame_part){.program = (unsigned)number(&fields, 0),
                                                .kind = (enum profile_kind_id)kind,
                                                .is_whole = !strcmp(fields.at[2], "whole"),
                                                .start_ms = number(&fields, 3),
                                                .end_ms = number(&fields, 4)};
    return 0;
}

static int add_bytes(struct frame *frame, const char *data, size_t size)
{
    struct frame_part *part = frame->parts ? &frame->part[frame->parts - 1] : NULL;
    uint8_t *grown;

    if (!part)
        return -EPROTO;
    if (frame->bytes + size > FRAME_BYTES)
        return -E2BIG;
    grown = array_reserve(part->data, &part->room, part->size + size, 1);
    if (!grown)
        return -ENOMEM;
    part->data = grown;
    memcpy(grown + part->size, data, size);
    part->size += size;
    frame->bytes += size;
    return 0;
}

static int end(struct frame *frame, const char *status, size_t size, char error[ERROR])
{
    if (size == 1 && *status == '0')
        return frame->text ? (parse(frame) ? -EPROTO : 1) : -EPROTO;
    if (!*error)
        snprintf(error, ERROR, "the session has refused");
    return -EREMOTEIO;
}

int frame_take(struct frame *frame, const char *message, size_t size, char error[ERROR])
{
    const char *rest = message + 1;

    if (!size)
        return -EPROTO;
    size--;
    switch (*message) {
    case '1':
        return add_text(frame, rest, size);
    case '2':
        snprintf(error, ERROR, "%.*s", (int)(size < ERROR ? size : ERROR - 1), rest);
        return 0;
    case 'p':
        return add_part(frame, rest, size);
    case 'd':
        return add_bytes(frame, rest, size);
    case '=':
        return end(frame, rest, size, error);
    default:
        return 0; /* of a newer version */
    }
}
