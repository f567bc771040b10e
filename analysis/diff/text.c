/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "print.h"
#include "uploader/encoding/amount.h"

enum { ROWS_CHANGED = 40, ROWS_OTHER = 5, STACKS_SHOWN = 10, FRAMES_SHOWN = 12, NAME_WIDTH = 100 };

static void print_name(FILE *file, const char *name)
{
    if (strlen(name) <= NAME_WIDTH)
        fputs(name, file);
    else
        fprintf(file, "%.*s...", NAME_WIDTH - 3, name);
}

static void print_head(FILE *file, const struct printed *printed)
{
    const struct pairing *pairing = printed->compared->pairing;
    char text[PRINT_TEXT];

    fprintf(file, "%s of %s: %s\n", type_title(pairing->kind, pairing->type),
            *pairing->program[0] ? pairing->program[0] : "a program", print_normalized(printed, text));
    for (unsigned i = 0; i < 2; i++) {
        const struct side *side = &printed->side[i];
        fprintf(file, "  %s  %s", i ? "B" : "A", side->name);
        if (side->runs > 1)
            fprintf(file, "  (%zu runs, values are their means)", side->runs);
        if (strcmp(pairing->program[0], pairing->program[1]) != 0)
            fprintf(file, "  (%s)", pairing->program[i]);
        fputc('\n', file);
    }
    if (*printed->programs)
        fprintf(file, "  other programs: %s (name their directories to compare them)\n", printed->programs);
}

static void print_total(FILE *file, const struct compared *compared)
{
    const struct change *change = &compared->change;
    char a[64], b[64], delta[64], percent[AMOUNT_TEXT], error[AMOUNT_TEXT];

    fprintf(file, "  %-18s %12s %12s %13s %9s  ± %-7s %s\n",
            type_title(compared->pairing->kind, compared->pairing->type),
            print_value(compared, change->a, 0, a), print_value(compared, change->b, 0, b),
            print_value(compared, change->delta, 1, delta),
            percent_text(percent, change->delta, change->a, 1),
            percent_text(error, change->error, change->a, 0), basis_text(compared, change));
}

static void print_summary(FILE *file, const struct printed *printed)
{
    fprintf(file, "\n  %-18s %12s %12s %13s\n", "totals", "A", "B", "change");
    print_total(file, printed->compared);
    for (size_t i = 0; i < printed->summaries; i++)
        print_total(file, &printed->summary[i]);
}

static void print_function(FILE *file, const struct compared *compared,
                           const struct compared_function *function)
{
    const struct change *own = &function->own_change, *all = &function->cumulative_change;
    char delta[64], percent[AMOUNT_TEXT], error[64], a[64], b[64], all_delta[64], all_percent[AMOUNT_TEXT];

    fprintf(file, "  %11s%c %9s %11s %11s %11s | %11s%c %9s  ", print_value(compared, own->delta, 1, delta),
            own->significant ? '*' : ' ', percent_text(percent, own->delta, own->a, 1),
            print_value(compared, own->error, 0, error), print_value(compared, own->a, 0, a),
            print_value(compared, own->b, 0, b), print_value(compared, all->delta, 1, all_delta),
            all->significant ? '*' : ' ', percent_text(all_percent, all->delta, all->a, 1));
    print_name(file, compared->align.function[function->function].name);
    fputc('\n', file);
}

static void print_functions(FILE *file, const struct compared *compared)
{
    size_t changed = compared->changed_functions, shown = changed < ROWS_CHANGED ? changed : ROWS_CHANGED;
    size_t others = compared->functions - changed < ROWS_OTHER ? compared->functions - changed : ROWS_OTHER;

    fprintf(file, "\nby function: %zu of %zu changed (*: beyond %.1f standard errors)\n", changed,
            compared->functions, compared->level);
    if (!compared->functions)
        return;
    fprintf(file, "  %11s  %9s %11s %11s %11s | %11s  %9s\n", "own change", "", "error ±", "own A", "own B",
            "with callees", "");
    for (size_t i = 0; i < shown; i++)
        print_function(file, compared, &compared->function[i]);
    if (shown < changed)
        fprintf(file, "  ... and %zu more (--json has all)\n", changed - shown);
    if (others)
        fprintf(file, "  within the error:\n");
    for (size_t i = changed; i < changed + others; i++)
        print_function(file, compared, &compared->function[i]);
}

struct stack_line {
    FILE *file;
    unsigned frames;
};

static void print_frame(void *context, const char *name)
{
    struct stack_line *line = context;

    if (line->frames++ > FRAMES_SHOWN)
        return;
    fputs(line->frames > 1 ? " < " : "", line->file);
    print_name(line->file, line->frames > FRAMES_SHOWN ? "..." : name);
}

static void print_stack(FILE *file, const struct compared *compared, const struct compared_stack *stack)
{
    char delta[64], percent[AMOUNT_TEXT], error[64];
    struct stack_line line = {.file = file};

    fprintf(file, "  %11s %9s  ± %-11s ", print_value(compared, stack->change.delta, 1, delta),
            percent_text(percent, stack->change.delta, stack->change.a, 1),
            print_value(compared, stack->change.error, 0, error));
    align_names(&compared->align.stack[stack->stack], print_frame, &line);
    fputc('\n', file);
}

static void print_stacks(FILE *file, const struct compared *compared)
{
    size_t shown = compared->changed_stacks < STACKS_SHOWN ? compared->changed_stacks : STACKS_SHOWN;

    fprintf(file, "\nby stack: %zu of %zu changed\n", compared->changed_stacks, compared->stacks);
    for (size_t i = 0; i < shown; i++)
        print_stack(file, compared, &compared->stack[i]);
    if (shown < compared->changed_stacks)
        fprintf(file, "  ... and %zu more (--json has all)\n", compared->changed_stacks - shown);
}

void print_text(FILE *file, const struct printed *printed)
{
    char text[PRINT_TEXT];

    print_head(file, printed);
    print_summary(file, printed);
    if (printed->growth.seconds > 0)
        fprintf(file, "  %s\n", print_growth(printed, text));
    if (*print_decision(printed, text))
        fprintf(file, "  %s\n", text);
    print_functions(file, printed->compared);
    print_stacks(file, printed->compared);
    if (printed->limit.of)
        fprintf(file, "\n%s\n", print_verdict(printed, text));
}
