/* SPDX-License-Identifier: Apache-2.0 */
/* A comparison as GitHub and others render it, for the summary of a pipeline or a comment. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "print.h"
#include "uploader/encoding/amount.h"

enum { ROWS = 20, STACKS = 10 };

/* In a cell, as code. A name holds neither the sign that ends code nor the one that ends a cell. */
static void put_code(FILE *file, const char *text)
{
    fputc('`', file);
    for (; *text; text++)
        if (*text == '|')
            fputs("\\|", file);
        else
            fputc(*text == '`' ? '\'' : (unsigned char)*text < ' ' ? ' ' : *text, file);
    fputc('`', file);
}

static void put_total(FILE *file, const struct compared *compared)
{
    const struct change *change = &compared->change;
    char a[64], b[64], percent[AMOUNT_TEXT], error[AMOUNT_TEXT];
    const char *mark = !change->significant ? "" : change->delta > 0 ? " 🔺" : " 🔽";

    fprintf(file, "| %s | %s | %s | %s%s%s%s | ± %s | %s |\n",
            type_title(compared->pairing->kind, compared->pairing->type),
            print_value(compared, change->a, 0, a), print_value(compared, change->b, 0, b),
            change->significant ? "**" : "", percent_text(percent, change->delta, change->a, 1),
            change->significant ? "**" : "", mark, percent_text(error, change->error, change->a, 0),
            basis_text(compared, change));
}

static void put_function(FILE *file, const struct compared *compared,
                         const struct compared_function *function)
{
    const struct change *own = &function->own_change, *all = &function->cumulative_change;
    char delta[64], percent[AMOUNT_TEXT], error[64], all_delta[64], all_percent[AMOUNT_TEXT], all_error[64];

    fputs("| ", file);
    put_code(file, compared->align.function[function->function].name);
    fprintf(file, " | %s%s | %s | ± %s | %s%s | %s | ± %s |\n", print_value(compared, own->delta, 1, delta),
            own->significant ? "*" : "", percent_text(percent, own->delta, own->a, 1),
            print_value(compared, own->error, 0, error), print_value(compared, all->delta, 1, all_delta),
            all->significant ? "*" : "", percent_text(all_percent, all->delta, all->a, 1),
            print_value(compared, all->error, 0, all_error));
}

static void put_functions(FILE *file, const struct compared *compared)
{
    size_t shown = compared->changed_functions < ROWS ? compared->changed_functions : ROWS;

    if (!shown) {
        fprintf(file, "\nNone of %zu functions changed beyond its error.\n", compared->functions);
        return;
    }
    fprintf(file,
            "\n<details%s><summary>%zu of %zu functions changed</summary>\n\n"
            "| function | own | | | with callees | | |\n|---|--:|--:|--:|--:|--:|--:|\n",
            shown < 6 ? " open" : "", compared->changed_functions, compared->functions);
    for (size_t i = 0; i < shown; i++)
        put_function(file, compared, &compared->function[i]);
    if (shown < compared->changed_functions)
        fprintf(file, "\n... and %zu more.\n", compared->changed_functions - shown);
    fprintf(file, "\n`*`: beyond %.1f standard errors.\n</details>\n", compared->level);
}

struct stack_cell {
    FILE *file;
    unsigned frames;
};

static void put_frame(void *context, const char *name)
{
    struct stack_cell *cell = context;

    if (cell->frames++)
        fputs(" ← ", cell->file);
    put_code(cell->file, name);
}

static void put_stacks(FILE *file, const struct compared *compared)
{
    size_t shown = compared->changed_stacks < STACKS ? compared->changed_stacks : STACKS;
    struct stack_cell cell = {.file = file};
    char delta[64], error[64];

    if (!shown)
        return;
    fprintf(
        file,
        "\n<details><summary>%zu of %zu stacks changed</summary>\n\n| change | | stack |\n|--:|--:|---|\n",
        compared->changed_stacks, compared->stacks);
    for (size_t i = 0; i < shown; i++) {
        const struct compared_stack *stack = &compared->stack[i];
        fprintf(file, "| %s | ± %s | ", print_value(compared, stack->change.delta, 1, delta),
                print_value(compared, stack->change.error, 0, error));
        cell.frames = 0;
        align_names(&compared->align.stack[stack->stack], put_frame, &cell);
        fputs(" |\n", file);
    }
    fputs("\n</details>\n", file);
}

/* The function's name as code: it may have signs that would be taken for HTML. */
static void put_verdict(FILE *file, const struct printed *printed)
{
    const char *function = printed->limit.function;
    char text[PRINT_TEXT];
    const char *rest = print_verdict(printed, text);

    if (function && !strncmp(text, function, strlen(function))) {
        put_code(file, function);
        rest += strlen(function);
    }
    fprintf(file, "%s.\n\n", rest);
}

void print_markdown(FILE *file, const struct printed *printed)
{
    const struct compared *compared = printed->compared;
    const struct side *side = printed->side;
    char text[PRINT_TEXT];

    fprintf(file, "### %s of ", type_title(compared->pairing->kind, compared->pairing->type));
    put_code(file, *compared->pairing->program[1] ? compared->pairing->program[1] : "a program");
    if (printed->limit.of)
        fprintf(file, ": %s", printed->limit.is_above ? "❌ above the limit" : "✅ within the limit");
    fputs("\n\n", file);
    if (printed->limit.of)
        put_verdict(file, printed);
    fputs("A: ", file);
    put_code(file, side[0].name);
    fprintf(file, " (%zu run%s), B: ", side[0].runs, side[0].runs == 1 ? "" : "s");
    put_code(file, side[1].name);
    fprintf(file, " (%zu run%s); %s.\n\n", side[1].runs, side[1].runs == 1 ? "" : "s",
            print_normalized(printed, text));
    fputs("| | A | B | change | error | |\n|---|--:|--:|--:|--:|---|\n", file);
    put_total(file, compared);
    for (size_t i = 0; i < printed->summaries; i++)
        put_total(file, &printed->summary[i]);
    if (printed->growth.seconds > 0)
        fprintf(file, "\n%s.\n", print_growth(printed, text));
    if (*print_decision(printed, text))
        fprintf(file, "\n%s.\n", text);
    put_functions(file, compared);
    put_stacks(file, compared);
}
