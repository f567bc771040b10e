/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/process/proc_text.h"

enum { LOCATED_MOST = 10000, CMDLINE_BYTES = 64 * 1024, PROCESSES_ASKED = 16 };

unsigned symbol_parse(const char *text, uint64_t address[SYMBOL_ADDRESSES])
{
    unsigned count = 0;

    while (count < SYMBOL_ADDRESSES && *text) {
        char *end;
        if (!strchr("0123456789", *text))
            break;
        address[count] = strtoull(text, &end, 0);
        if (end == text)
            break;
        count++;
        if (*end != '+' && *end != ' ')
            break;
        text = end + 1;
    }
    return count;
}

/* An address of a living process. */
static const struct symbol_location *locate(struct pull *pull, const struct selection *selection,
                                            uint64_t address)
{
    const struct pull_source *source = &pull->source;
    const struct symbol_location *found = NULL;
    struct pull_process process;

    for (size_t n = 0, asked = 0;
         !found && asked < PROCESSES_ASKED && source->process(source->context, n, &process); n++) {
        if ((selection->pid && process.pid != selection->pid) || !selection_has(selection, process.program))
            continue;
        asked++;
        if (pull->located < LOCATED_MOST)
            found = source->locate(source->context, process.pid, address);
    }
    pull->located += found != NULL;
    return found;
}

/* An address as it is in the profiles that were served: those without names hold ELF virtual addresses. */
static void find_in(const struct profile *profile, struct hash *wanted)
{
    const struct profile_sample *sample;

    for (size_t cursor = 0; profile && (sample = profile_next(profile, &cursor));)
        for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
            const struct symbol_location **slot =
                frame->location->unnamed ? hash_get(wanted, frame->location->address) : NULL;
            if (slot)
                *slot = frame->location;
        }
}

static void find_unnamed(const struct pull *pull, const struct selection *selection, struct hash *wanted)
{
    const struct programs *programs = pull->source.programs;

    for (size_t i = 0; wanted->used && i < programs->count; i++)
        for (int k = 0; k < KIND_IDS && selection_has(selection, programs->program[i]); k++)
            find_in(programs->program[i]->merged[k], wanted);
}

static void put_symbols(FILE *out, struct pull *pull, const struct selection *selection, const char *text)
{
    uint64_t *address = malloc(SYMBOL_ADDRESSES * sizeof *address);
    const struct symbol_location **found = calloc(SYMBOL_ADDRESSES, sizeof *found);
    unsigned count = address && found ? symbol_parse(text, address) : 0;
    struct hash wanted = {0};

    for (unsigned i = 0; i < count; i++) {
        found[i] = locate(pull, selection, address[i]);
        if (!found[i])
            hash_put(&wanted, address[i], &found[i]);
    }
    find_unnamed(pull, selection, &wanted);
    fputs("num_symbols: 1\n", out);
    for (unsigned i = 0; i < count; i++)
        if (found[i] && found[i]->line_count)
            fprintf(out, "0x%" PRIx64 " %s\n", address[i],
                    found[i]->lines[found[i]->line_count - 1].function);
    hash_free(&wanted);
    free(address);
    free(found);
}

void symbol_serve(struct pull *pull, struct web_request *request, const struct selection *selection)
{
    struct web_reply reply = {.type = "text/plain; charset=utf-8"};
    const char *query = web_query(request);
    size_t size;
    FILE *out = open_memstream(&reply.data, &reply.size);

    if (!out)
        return;
    put_symbols(out, pull, selection,
                web_is_post(request) ? web_body(request, &size) : query + (*query == '?'));
    if (!fclose(out))
        web_reply(request, &reply);
}

/* Of the process that was started first: kernels count up. */
void cmdline_serve(struct pull *pull, struct web_request *request, const struct selection *selection)
{
    const struct pull_source *source = &pull->source;
    struct web_reply reply = {.type = "text/plain; charset=utf-8", .data = calloc(1, CMDLINE_BYTES)};
    struct pull_process process;
    uint32_t first = 0;
    char path[64];
    ssize_t length;

    for (size_t n = 0; source->process(source->context, n, &process); n++)
        if ((!selection->pid || process.pid == selection->pid) && selection_has(selection, process.program) &&
            (!first || process.pid < first))
            first = process.pid;
    snprintf(path, sizeof path, "/proc/%" PRIu32 "/cmdline", first);
    length = first && reply.data ? proc_read(path, reply.data, CMDLINE_BYTES) : 0;
    reply.size = length > 0 ? (size_t)length - 1 : 0; /* without the last NUL */
    if (reply.data)
        web_reply(request, &reply);
}
