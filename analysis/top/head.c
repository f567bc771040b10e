/* SPDX-License-Identifier: Apache-2.0 */
#include "head.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "uploader/encoding/amount.h"

enum { NAME = 128, LOSSES = 3 };

/* A line that is made in pieces. */
struct line {
    char text[SCREEN_LINE];
    size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line->text + line->used, sizeof line->text - line->used, format, args);
    va_end(args);
    if (length > 0)
        line->used += (size_t)length < sizeof line->text - line->used ? (size_t)length
                                                                      : sizeof line->text - line->used - 1;
}

static void put_age(struct line *line, int64_t ms)
{
    int64_t s = ms > 0 ? ms / 1000 : 0;
    put(line, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
}

/* "redis-server (process 4711), 0:05:12" on the left, the clock and the interval on the right. */
static void draw_title(struct screen *screen, const struct model *model, const struct top_look *look,
                       const struct model_figures *figures)
{
    const struct frame_program *program = look->program >= 0
                                              ? frame_find(&model->frame, (unsigned)look->program)
                                          : model->frame.programs == 1 ? &model->frame.program[0]
                                                                       : NULL;
    struct line left = {.used = 0}, right = {.used = 0};
    time_t now = (time_t)(model->frame.end_ms / 1000);
    char clock[16] = "", fitted[SCREEN_LINE * 2], name[NAME];
    struct tm tm;

    if (program) {
        put(&left, "%s", screen_fit(name, sizeof name, program->name, screen_columns(program->name), false));
        if (strcmp(program->name, program->service) != 0)
            put(&left, " [%s]", program->service);
    } else {
        put(&left, "%zu programs", model->frame.programs);
    }
    if (figures->pid)
        put(&left, ", process %d", figures->pid);
    else
        put(&left, ", %" PRIu64 " processes", figures->processes);
    put(&left, ", runs for ");
    put_age(&left, model->frame.end_ms - (program ? program->start_ms : model->frame.session_ms));
    if (*model->frame.recording && strcmp(model->frame.recording, "on") != 0)
        put(&left, ", recording: %s", model->frame.recording);
    if (localtime_r(&now, &tm))
        strftime(clock, sizeof clock, "%T", &tm);
    put(&right, "%s%s  every %.3g s", look->is_paused ? "PAUSED  " : "", clock, look->interval_s);
    if (screen->width < left.used + right.used + 2) {
        screen_line(screen, STYLE_BOLD, "%s  %s", left.text, right.text);
        return;
    }
    screen_fit(fitted, sizeof fitted, left.text, screen->width - (unsigned)right.used - 1, screen->is_ascii);
    screen_line(screen, STYLE_BOLD, "%s %s", fitted, right.text);
}

static void draw_cpu(struct screen *screen, const struct model *model, const struct top_look *look,
                     const struct model_figures *figures)
{
    struct thread_state states[THREADS_STATES];
    unsigned count = threads_states(&model->threads, look->program, states);
    struct line line = {.used = 0};

    if (figures->seconds > 0)
        put(&line, "CPU      %.1f %%", 100 * figures->cpu);
    else
        put(&line, "CPU      -");
    put(&line, "   threads %" PRIu64, figures->threads);
    for (unsigned i = 0; i < count; i++)
        put(&line, "%s %u %s", i ? "," : ":", states[i].count, states[i].state);
    screen_line(screen, STYLE_PLAIN, "%s", line.text);
}

static void draw_memory(struct screen *screen, const struct model_figures *figures)
{
    char one[AMOUNT_TEXT], two[AMOUNT_TEXT], three[AMOUNT_TEXT];
    struct line line = {.used = 0};

    put(&line, "memory   %s resident", amount_text(one, (double)figures->resident, "bytes", 0));
    if (figures->objects)
        put(&line, "   live %s in %s blocks", amount_text(one, (double)figures->blocks, "bytes", 0),
            amount_text(two, (double)figures->objects, "count", 0));
    if (figures->seconds > 0)
        put(&line, "   allocates %s/s, %s blocks/s",
            amount_text(two, figures->total[KIND_ID_MEMORY][1], "bytes", 0),
            amount_text(three, figures->total[KIND_ID_MEMORY][0], "count", 0));
    screen_line(screen, STYLE_PLAIN, "%s", line.text);
}

/* What threads waited in a second of the interval. */
static void draw_waits(struct screen *screen, const struct model_figures *figures)
{
    char one[AMOUNT_TEXT], two[AMOUNT_TEXT], three[AMOUNT_TEXT];

    if (figures->seconds > 0)
        screen_line(screen, STYLE_PLAIN, "waits    off CPU %s/s   in blocking calls %s/s   for mutexes %s/s",
                    amount_text(one, figures->total[KIND_ID_OFF_CPU][1], "nanoseconds", 0),
                    amount_text(two, figures->total[KIND_ID_BLOCK][1], "nanoseconds", 0),
                    amount_text(three, figures->total[KIND_ID_MUTEX][1], "nanoseconds", 0));
    else
        screen_line(screen, STYLE_PLAIN, "waits    -");
}

/* The function whose locking made others wait most, in the interval. */
static const struct tally_row *worst_lock(const struct model *model, int program, double *total)
{
    const struct tally_row *worst = NULL;

    *total = 0;
    for (size_t i = 0; i < model->locks.rows; i++) {
        const struct tally_row *row = model->locks.row[i];
        if (program >= 0 && row->program != (unsigned)program)
            continue;
        *total += row->now_own[1];
        if (row->now_own[1] > 0 && (!worst || row->now_own[1] > worst->now_own[1]))
            worst = row;
    }
    return worst;
}

static void draw_locks(struct screen *screen, const struct model *model, const struct top_look *look)
{
    struct thread_lock locks[THREADS_LOCKS];
    unsigned count = threads_locks(&model->threads, look->program, locks);
    struct line line = {.used = 0};
    char one[AMOUNT_TEXT];
    double total;
    const struct tally_row *worst = worst_lock(model, look->program, &total);

    put(&line, "locks    ");
    if (!count)
        put(&line, "nobody waits");
    for (unsigned i = 0; i < count && i < 2; i++) {
        put(&line, "%s%u wait%s in %.60s", i ? ";  " : "", locks[i].waiting, locks[i].waiting == 1 ? "s" : "",
            locks[i].function);
        if (locks[i].holder)
            put(&line, " for %.20s%s%" PRId64, locks[i].holder_name, *locks[i].holder_name ? " " : "thread ",
                locks[i].holder);
        put(&line, ", longest %s", amount_text(one, (double)locks[i].longest_ns, "nanoseconds", 0));
    }
    if (worst)
        put(&line, "   %s of the delay is by %.80s", percent_text(one, worst->now_own[1], total, 0),
            worst->name);
    screen_line(screen, count ? STYLE_BOLD : STYLE_PLAIN, "%s", line.text);
}

static void put_losses(struct line *line, const struct model *model, const struct top_look *look)
{
    unsigned shown = 0;

    for (size_t i = 0; i < model->frame.losses; i++) {
        const struct frame_loss *loss = &model->frame.loss[i];
        if (loss->program >= 0 && look->program >= 0 && loss->program != look->program)
            continue;
        if (shown++ < LOSSES)
            put(line, "%s%" PRIu64 " %s", shown > 1 ? "; " : "   ", loss->count, loss->text);
    }
    if (!shown)
        put(line, "   nothing lost");
    else if (shown > LOSSES)
        put(line, "; and %u more", shown - LOSSES);
    if (model->wrong)
        put(line, "; %u profiles could not be read", model->wrong);
}

static void draw_cost(struct screen *screen, const struct model *model, const struct top_look *look,
                      const struct model_figures *figures)
{
    struct line line = {.used = 0};
    char memory[AMOUNT_TEXT];

    put(&line, "cprof    ");
    if (figures->cost >= 0)
        put(&line, "costs %.2g %% of the program's CPU time   ", 100 * figures->cost);
    put(&line, "uploader ");
    if (figures->seconds > 0)
        put(&line, "%.1f %% of a CPU, ", 100 * figures->own_cpu);
    put(&line, "%s", amount_text(memory, (double)model->frame.own_memory, "bytes", 0));
    for (size_t i = 0; i < model->frame.programs; i++)
        if (*model->frame.program[i].lowered &&
            (look->program < 0 || model->frame.program[i].number == (unsigned)look->program))
            put(&line, "   %.60s", model->frame.program[i].lowered);
    put_losses(&line, model, look);
    screen_line(screen, STYLE_PLAIN, "%s", line.text);
}

static void draw_programs(struct screen *screen, const struct model *model, const struct top_look *look)
{
    struct model_program programs[MODEL_PROGRAMS];
    unsigned count = model_programs(model, programs);
    struct line line = {.used = 0};

    if (model->frame.programs < 2)
        return;
    put(&line, "programs %s", look->program < 0 ? "[all]" : " all ");
    for (unsigned i = 0; i < count; i++) {
        bool chosen = look->program >= 0 && programs[i].program->number == (unsigned)look->program;
        put(&line, " %s%.40s", chosen ? "[" : " ", programs[i].program->name);
        if (programs[i].program->alive)
            put(&line, " %.0f %%%s", 100 * programs[i].cpu, chosen ? "]" : "");
        else
            put(&line, " ended%s", chosen ? "]" : "");
    }
    screen_line(screen, STYLE_PLAIN, "%s", line.text);
}

void head_draw(struct screen *screen, const struct model *model, const struct top_look *look)
{
    struct model_figures figures;

    model_figures(model, look->program, &figures);
    draw_title(screen, model, look, &figures);
    draw_cpu(screen, model, look, &figures);
    draw_memory(screen, &figures);
    draw_waits(screen, &figures);
    draw_locks(screen, model, look);
    draw_cost(screen, model, look, &figures);
    draw_programs(screen, model, look);
}
