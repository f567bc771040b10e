/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uploader/base/array.h"
#include "uploader/base/ids.h"
#include "uploader/encoding/amount.h"
#include "uploader/packages/packages.h"
#include "uploader/profile/entry.h"
#include "uploader/profile/unnamed.h"
#include "uploader/upload/comments.h"
#include "uploader/upload/in_use.h"
#include "uploader/upload/sink.h"
#include "uploader/upload/upload.h"

enum { TOP = 10, PROGRAMS_IN_FULL = 3, IDLE_PROGRAMS = 12, NAME_WIDTH = 72 };

/* The views of a profile: one table of functions each. */
struct view {
    enum profile_kind_id kind;
    unsigned value;
    const char *title;
};
static const struct view views[] = {
    {KIND_ID_CPU, 1, "CPU time"},
    {KIND_ID_MEMORY, 1, "Allocated"},
    {KIND_ID_MEMORY, 3, "In use at the end"},
    {KIND_ID_MUTEX, 1, "Kept others waiting for a lock"},
    {KIND_ID_BLOCK, 1, "Waited"},
    {KIND_ID_OFF_CPU, 1, "Off the CPU, all threads"},
};
enum { VIEWS = sizeof views / sizeof views[0] };

struct style {
    const char *strong, *faint, *off;
};
static const struct style styles[2] = {{"", "", ""}, {"\033[1m", "\033[2m", "\033[0m"}};

struct function {
    const char *name;
    int64_t flat, cum;
    const struct profile_sample *last; /* counted in cum already: recursion counts once */
};

/* By name: the same function may have many locations, in several files' copies. */
struct functions {
    struct text_ids names;
    struct function *function; /* that of number n at n - 1 */
    size_t room;
};

static struct function *get_function(struct functions *functions, const char *name)
{
    uint32_t number = text_ids_get(&functions->names, name, NULL);
    struct function *grown =
        number ? array_reserve(functions->function, &functions->room, number - 1, sizeof *grown) : NULL;

    if (!grown)
        return NULL;
    functions->function = grown;
    functions->function[number - 1].name = name;
    return &functions->function[number - 1];
}

static void add_sample(struct functions *functions, const struct profile_sample *sample, int64_t value)
{
    for (const struct profile_frame *frame = sample->stack; frame; frame = frame->caller) {
        for (unsigned line = 0; line < frame->location->line_count; line++) {
            struct function *function = get_function(functions, frame->location->lines[line].function);
            if (!function)
                return;
            if (frame == sample->stack && !line)
                function->flat += value;
            if (function->last != sample)
                function->cum += value;
            function->last = sample;
        }
    }
}

static int by_flat(const void *left, const void *right)
{
    const struct function *a = left, *b = right;
    if (a->flat != b->flat)
        return a->flat < b->flat ? 1 : -1;
    return a->cum == b->cum ? 0 : a->cum < b->cum ? 1 : -1;
}

/* Sorted to the front; the number of them. */
static size_t collect(struct functions *functions, const struct profile *profile, unsigned value)
{
    const struct profile_sample *sample;
    size_t cursor = 0, count = 0;

    while ((sample = profile_next(profile, &cursor)))
        if (sample->value[value])
            add_sample(functions, sample, sample->value[value]);
    for (size_t i = 0; i < functions->names.ids.used; i++)
        if (functions->function[i].flat || !entry_is(functions->function[i].name))
            functions->function[count++] = functions->function[i];
    if (count)
        qsort(functions->function, count, sizeof functions->function[0], by_flat);
    return count;
}

static const char *amount(char text[AMOUNT_TEXT], int64_t value, const char *unit)
{
    return amount_text(text, (double)value, unit, 0);
}

static double share(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_name(FILE *file, const char *name)
{
    if (strlen(name) <= NAME_WIDTH)
        fprintf(file, "%s\n", name);
    else
        fprintf(file, "%.*s...\n", NAME_WIDTH - 3, name);
}

static void print_table(FILE *file, const struct profile *profile, const struct view *view,
                        const struct style *style)
{
    const struct value_type *type = &profile_kinds[view->kind].value[view->value];
    int64_t total = profile_total(profile, view->value);
    struct functions functions = {0};
    size_t count = collect(&functions, profile, view->value);
    char flat[AMOUNT_TEXT], cum[AMOUNT_TEXT];

    fprintf(file, "%s      flat  flat%%        cum   cum%%  function%s\n", style->faint, style->off);
    for (size_t i = 0; i < count && i < TOP; i++) {
        const struct function *function = &functions.function[i];
        if (function->flat)
            fprintf(file, "%10s %5.1f%%", amount(flat, function->flat, type->unit),
                    share(function->flat, total));
        else
            fprintf(file, "%10s %6s", "-", "");
        fprintf(file, " %10s %5.1f%%  ", amount(cum, function->cum, type->unit), share(function->cum, total));
        print_name(file, function->name);
    }
    text_ids_free(&functions.names);
    free(functions.function);
}

static void print_detail(FILE *file, const struct program *program, const struct view *view)
{
    int64_t period = program->period[view->kind];
    int64_t count = profile_total(program->merged[view->kind], view->value ? view->value - 1 : 0);
    char text[AMOUNT_TEXT];

    switch (view->kind) {
    case KIND_ID_CPU:
        fprintf(file, " in %" PRId64 " sample%s, one per %s", count, count == 1 ? "" : "s",
                amount(text, period, "nanoseconds"));
        break;
    case KIND_ID_MEMORY:
        fprintf(file, " in %" PRId64 " block%s, one sample per %s", count, count == 1 ? "" : "s",
                amount(text, period, "bytes"));
        break;
    case KIND_ID_MUTEX:
        fprintf(file, " in %" PRId64 " contention%s, one of %" PRId64 " recorded", count,
                count == 1 ? "" : "s", period);
        break;
    case KIND_ID_BLOCK:
        fprintf(file, " in %" PRId64 " wait%s, those below %s sampled", count, count == 1 ? "" : "s",
                amount(text, period, "nanoseconds"));
        break;
    default:
        if (period)
            fprintf(file, ", looked at %.4g times a second", 1e9 / (double)period);
    }
}

static void print_title(FILE *file, const struct program *program, const struct view *view,
                        const struct style *style)
{
    const struct profile *profile = program->merged[view->kind];
    const struct profile_kind *kind = &profile_kinds[view->kind];
    char text[AMOUNT_TEXT];

    fprintf(file, "\n%s%s: %s%s%s", style->strong, view->title,
            amount(text, profile_total(profile, view->value), kind->value[view->value].unit), style->off,
            style->faint);
    print_detail(file, program, view);
    fprintf(file, "%s\n", style->off);
}

static void print_loss(uint64_t n, const char *text, void *context)
{
    fprintf(context, "  ! %" PRIu64 " %s\n", n, text);
}

static void print_losses(FILE *file, const struct program *program)
{
    program_each_loss(&program->counts, print_loss, file);
    for (int k = 0; k < KIND_IDS; k++)
        if (program->merged[k] && profile_overflowed(program->merged[k]))
            fprintf(file, "  ! %s: %" PRIu64 " records beyond %d stacks went to one\n", profile_kinds[k].name,
                    profile_overflowed(program->merged[k]), PROGRAM_STACKS);
}

/* What has no names, and how it would get them. */
static void print_unnamed(FILE *file, const struct program *program)
{
    const char *server = package_server(&(struct process_files){.root_fd = -1, .exe_fd = -1});
    struct unnamed unnamed;
    char text[UNNAMED_TEXT];

    if (!unnamed_find(program->merged, &unnamed))
        return;
    fprintf(file, "  ! no symbols for %.1f %% of %s:", 100 * unnamed.share, profile_kinds[unnamed.kind].name);
    for (unsigned i = 0; i < unnamed.count; i++) {
        unnamed_text(&unnamed.module[i], text);
        fprintf(file, "%s\n      %s", i ? "," : "", text);
    }
    if (unnamed.others)
        fprintf(file, " and %u more", unnamed.others);
    fputs("\n      for names, install debug packages", file);
    if (!getenv("DEBUGINFOD_URLS"))
        fprintf(file, " or set DEBUGINFOD_URLS%s%s", server ? "=" : "", server ? server : "");
    fputs(" (docs/symbols.md)\n", file);
}

static void print_head(FILE *file, const struct program *program, const struct style *style)
{
    int64_t cpu = program_cpu_ns(program);
    char wall[AMOUNT_TEXT], own[AMOUNT_TEXT];

    fprintf(file, "\n%scprof: %s%s  %s", style->strong, program->name, style->off,
            amount(wall, program->end_ns - program->start_ns, "nanoseconds"));
    if (program->processes != 1)
        fprintf(file, ", %u processes", program->processes);
    fprintf(file, ", cost of sampling %s", amount(own, (int64_t)program->counts.own_ns, "nanoseconds"));
    if (cpu)
        fprintf(file, " (%.3g%% of its CPU time)", share((int64_t)program->counts.own_ns, cpu));
    putc('\n', file);
}

static bool has(const struct program *program, const struct view *view)
{
    return program->merged[view->kind] && profile_total(program->merged[view->kind], view->value);
}

static void print_files(FILE *file, const struct program *program)
{
    for (int k = 0; program->path && k < KIND_IDS; k++) {
        size_t cursor = 0;
        if (program->merged[k] && profile_next(program->merged[k], &cursor))
            fprintf(file, "  go tool pprof %s/%s.pb.gz\n", program->path, profile_kinds[k].name);
    }
}

static void print_program(FILE *file, const struct program *program, const struct style *style)
{
    char in_use[IN_USE_TEXT];

    print_head(file, program, style);
    if (program_in_use_text(program, in_use))
        fprintf(file, "  %s\n", in_use);
    print_losses(file, program);
    print_unnamed(file, program);
    for (int v = 0; v < VIEWS; v++) {
        if (!has(program, &views[v]))
            continue;
        print_title(file, program, &views[v], style);
        print_table(file, program->merged[views[v].kind], &views[v], style);
    }
    if (program->path)
        putc('\n', file);
    print_files(file, program);
}

/* Every program waits: that alone makes none worth a table, unless there is no other. */
static bool has_any(const struct program *program)
{
    for (int v = 0; v < VIEWS; v++)
        if (views[v].kind != KIND_ID_OFF_CPU && has(program, &views[v]))
            return true;
    return false;
}

/* By CPU time; those without a sample come last. */
static int by_use(const void *left, const void *right)
{
    const struct program *a = *(struct program *const *)left, *b = *(struct program *const *)right;
    int64_t cpu = program_cpu_ns(b) - program_cpu_ns(a);

    if (!cpu)
        cpu = (int64_t)has_any(b) - (int64_t)has_any(a);
    return cpu < 0 ? -1 : cpu > 0;
}

/* Those for which there is no room get a line each. */
static void print_others(FILE *file, struct program *const *program, size_t count)
{
    char cpu[AMOUNT_TEXT], space[AMOUNT_TEXT];

    for (size_t i = 0; i < count; i++) {
        const struct profile *memory = program[i]->merged[KIND_ID_MEMORY];
        fprintf(file, "%s  %-20s %9s CPU %9s allocated", i ? "" : "\nand also\n", program[i]->name,
                amount(cpu, program_cpu_ns(program[i]), "nanoseconds"),
                amount(space, memory ? profile_total(memory, 1) : 0, "bytes"));
        if (program[i]->path)
            fprintf(file, "  %s", program[i]->path);
        putc('\n', file);
        print_losses(file, program[i]);
    }
}

static void print_idle(FILE *file, struct program *const *program, size_t count)
{
    for (size_t i = 0; i < count && i < IDLE_PROGRAMS; i++)
        fprintf(file, "%s%s",
                i ? ", " : "\ncprof: too little CPU time and memory for a sample: ", program[i]->name);
    if (count > IDLE_PROGRAMS)
        fprintf(file, " and %zu more", count - IDLE_PROGRAMS);
    if (count)
        putc('\n', file);
}

/* The report lies beside the programs' directories. */
static bool print_report(FILE *file, const struct program *program)
{
    char report[UPLOAD_PATH + 16];
    const char *end = program->path ? strrchr(program->path, '/') : NULL;

    if (!end)
        return false;
    snprintf(report, sizeof report, "%.*s/report.html", (int)(end - program->path), program->path);
    if (!access(report, R_OK))
        fprintf(file, "\n  open %s\n", report);
    return true;
}

void summary_print(FILE *file, const struct programs *programs, bool color)
{
    struct program **sorted = calloc(programs->count, sizeof(struct program *));
    size_t active = 0, full;

    if (!sorted)
        return;
    memcpy(sorted, programs->program, programs->count * sizeof(struct program *));
    qsort(sorted, programs->count, sizeof(struct program *), by_use);
    while (active < programs->count && has_any(sorted[active]))
        active++;
    active += !active && programs->count == 1 && sorted[0]->merged[KIND_ID_OFF_CPU];
    full = active < PROGRAMS_IN_FULL ? active : PROGRAMS_IN_FULL;
    for (size_t i = 0; i < full; i++)
        print_program(file, sorted[i], &styles[color]);
    print_others(file, sorted + full, active - full);
    programs_each_ceiling(programs, print_loss, file);
    if (programs_have_been(programs)) /* or a line has said that nothing is written */
        print_idle(file, sorted + active, programs->count - active);
    for (size_t i = 0; i < programs->count && !print_report(file, sorted[i]); i++)
        ;
    free(sorted);
}
