/* SPDX-License-Identifier: Apache-2.0 */
#include "diff.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/diff/compare/compare.h"
#include "analysis/diff/compare/split.h"
#include "analysis/page/making.h"
#include "growth.h"
#include "print.h"
#include "uploader/base/progress.h"

enum { WITHIN = 0, ABOVE = 1, CANNOT = 2 };

enum form { FORM_TEXT, FORM_JSON, FORM_MARKDOWN };

struct wishes {
    const char *argument[2];
    int arguments;
    const char *type, *html;
    enum form form;
    enum normalize normalize;
    bool has_normalize, has_limit, help;
    struct limit limit;
};

static void print_help(void)
{
    puts("usage: cprof diff [options] A B\n"
         "\n"
         "Says what changed from A to B, and which changes are more than chance. A and B are each\n"
         "  - a directory that cprof wrote, one program's directory in it, or a pprof file of anybody (- is\n"
         "    standard input);\n"
         "  - several runs of one program: a directory that has such directories, or a list with commas;\n"
         "  - a query to Pyroscope: "
         "'http://host:4040/?query=TYPE{service_name=\"x\"}&from=now-1h&until=now'.\n"
         "\n"
         "Options:\n"
         "  --type=TYPE              cpu (the usual one), wall, mutex, block, off_cpu, alloc_space, "
         "inuse_space ...\n"
         "  --normalize=HOW          none: totals as recorded; time: per second of recording; total: shares\n"
         "  --fail-above=N%[:FUNCTION]\n"
         "                           ends with 1 if the total, or the function with all that it calls, rose "
         "by more\n"
         "                           than N percent and the rise is no chance\n"
         "  --html=FILE              writes a page with both sides to look at\n"
         "  --json                   everything, for programs\n"
         "  --markdown               a summary for a pull request\n"
         "  --help\n"
         "\n"
         "Ends with 0; 1: above what --fail-above allows; 2: A and B cannot be compared.");
}

/* Says why, and is what the command ends with. */
#define refuse(...) (progress_refuse(__VA_ARGS__), CANNOT)

/* "5%", "5", "2.5%:function". */
static int read_limit(struct wishes *wishes, const char *text)
{
    char *end;
    bool is_number;

    wishes->limit.percent = strtod(text, &end);
    is_number = end > text;
    end += *end == '%';
    if (!is_number || !(wishes->limit.percent >= 0) || wishes->limit.percent > 1e6 || (*end && *end != ':') ||
        (*end && !end[1]))
        return refuse(
            "--fail-above=%s: it is a percentage, such as 5%%, or one of a function, such as 5%%:main", text);
    wishes->limit.function = *end ? end + 1 : NULL;
    wishes->has_limit = true;
    return 0;
}

static const char *const normalize_names[] = {"none", "time", "total"};

static int read_normalize(struct wishes *wishes, const char *text)
{
    for (int i = 0; i < 3; i++)
        if (!strcmp(text, normalize_names[i])) {
            wishes->normalize = (enum normalize)i;
            wishes->has_normalize = true;
            return 0;
        }
    return refuse("--normalize=%s: it is none, time or total", text);
}

/* "--name=value" or "--name value": the value. NULL: it is another option, or (missing) there is none. */
static const char *value_of(const char *name, const char *option, const char *next, int *at, bool *missing)
{
    size_t length = strlen(name);

    if (strncmp(option, name, length) != 0)
        return NULL;
    if (option[length] == '=')
        return option + length + 1;
    if (option[length])
        return NULL;
    *missing = !next;
    *at += next != NULL;
    return next;
}

/* 0; or an exit status after a line on stderr. */
static int read_option(struct wishes *wishes, int argc, char **argv, int *at)
{
    const char *option = argv[*at], *next = *at + 1 < argc ? argv[*at + 1] : NULL, *value;
    bool missing = false;

    if (!strcmp(option, "--help"))
        wishes->help = true;
    else if (!strcmp(option, "--json"))
        wishes->form = FORM_JSON;
    else if (!strcmp(option, "--markdown"))
        wishes->form = FORM_MARKDOWN;
    else if ((value = value_of("--type", option, next, at, &missing)))
        wishes->type = value;
    else if ((value = value_of("--html", option, next, at, &missing)))
        wishes->html = value;
    else if ((value = value_of("--fail-above", option, next, at, &missing)))
        return read_limit(wishes, value);
    else if ((value = value_of("--normalize", option, next, at, &missing)))
        return read_normalize(wishes, value);
    else if (missing)
        return refuse("%s needs a value: see cprof diff --help", option);
    else
        return refuse("diff has no option %s: see cprof diff --help", option);
    return 0;
}

static int read_arguments(struct wishes *wishes, int argc, char **argv)
{
    bool options = true;
    int rc = 0;

    for (int i = 1; i < argc && !rc; i++) {
        if (options && !strcmp(argv[i], "--"))
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1])
            rc = read_option(wishes, argc, argv, &i);
        else if (wishes->arguments == 2)
            rc = refuse(
                "diff compares two sides, and %s is a third one: runs of one side are a list with commas",
                argv[i]);
        else
            wishes->argument[wishes->arguments++] = argv[i];
    }
    if (!rc && !wishes->help && wishes->arguments < 2)
        rc = refuse("diff needs two sides to compare: see cprof diff --help");
    if (!rc && wishes->arguments == 2 && !strcmp(wishes->argument[0], "-") &&
        !strcmp(wishes->argument[1], "-"))
        rc = refuse("both sides cannot be standard input");
    return rc;
}

/* A service that was still running is compared per second, if the recordings do not last as long. */
static enum normalize choose_normalize(const struct wishes *wishes, const struct side side[2],
                                       const struct pairing *pairing)
{
    double a = side_seconds(&side[0], 0, pairing), b = side_seconds(&side[1], 1, pairing);

    if (wishes->has_normalize)
        return wishes->normalize;
    if (!(a > 0) || !(b > 0))
        return NORMALIZE_NONE;
    if (side[0].is_query || side[1].is_query)
        return NORMALIZE_TIME;
    if (fabs(a - b) > 0.02 * fmax(a, b) && side_is_running(&side[0], 0, pairing) &&
        side_is_running(&side[1], 1, pairing))
        return NORMALIZE_TIME;
    return NORMALIZE_NONE;
}

/* 0 or an exit status. */
static int find_limit(struct wishes *wishes, const struct side side[2], const struct compared *compared,
                      struct limit *limit)
{
    const struct compared_function *function;
    struct change change;
    size_t found;

    if (!wishes->has_limit)
        return 0;
    *limit = wishes->limit;
    limit->of = &compared->change;
    if (limit->function) {
        static struct change of_function;
        function = compared_find(compared, limit->function, &found);
        if (!function && found)
            return refuse("%zu functions are called %s: name one with its parameters", found,
                          limit->function);
        if (!function)
            return refuse("no function %s is in either profile (%s)", limit->function,
                          compared->pairing->type);
        of_function = compare_named(compared, side, function);
        limit->of = &of_function;
    }
    change = *limit->of;
    limit->is_above = change.significant && change.delta > limit->percent / 100 * change.a;
    return 0;
}

/* The page begins with what the text is of: its kind and type, and how values are compared. */
static const char *first_view(const struct printed *printed, char text[PRINT_TEXT])
{
    const struct pairing *pairing = printed->compared->pairing;
    const struct read_profile *profile =
        run_profile(&printed->side[1].run[0], pairing->program[1], pairing->kind, pairing->type);
    const char *plain = "abcdefghijklmnopqrstuvwxyz_";
    int length = snprintf(text, PRINT_TEXT, "view=compare&base=side:1&norm=%s",
                          normalize_names[printed->compared->normalize]);

    if (profile && !pairing->kind[strspn(pairing->kind, plain)])
        snprintf(text + length, PRINT_TEXT - (size_t)length, "&kind=%s&type=%d", pairing->kind,
                 read_profile_type(profile, pairing->type));
    return text;
}

static int write_page(const struct wishes *wishes, const struct printed *printed)
{
    struct making making;
    char view[PRINT_TEXT];
    struct page_head head = {.side = {printed->side[0].name, printed->side[1].name},
                             .view = first_view(printed, view)};
    int rc = making_open(&making, wishes->html, &head);

    for (unsigned which = 0; which < 2; which++)
        for (size_t i = 0; i < printed->side[which].runs && !rc; i++) {
            const struct run *run = &printed->side[which].run[i];
            progress_step("writing %s", wishes->html);
            rc = run->data ? making_add_bytes(&making, which, run->path, run->data, run->size)
                           : making_add(&making, which, run->path);
        }
    rc = making_close(&making, rc);
    progress_end();
    return rc ? refuse("%s", making.error) : 0;
}

static int print_all(const struct wishes *wishes, const struct printed *printed)
{
    progress_end();
    if (wishes->html && write_page(wishes, printed))
        return CANNOT;
    if (wishes->form == FORM_JSON)
        print_json(stdout, printed);
    else if (wishes->form == FORM_MARKDOWN)
        print_markdown(stdout, printed);
    else
        print_text(stdout, printed);
    if (fflush(stdout) || ferror(stdout))
        return refuse("standard output cannot be written: %s", strerror(errno));
    return printed->limit.is_above ? ABOVE : WITHIN;
}

/* 0 or -ENOMEM. */
static int sides_with(const struct side side[2], const struct pairing *pairing, struct side only[2])
{
    int rc = side_with(&side[0], pairing->program[0], pairing->kind, &only[0]);

    if (!rc && (rc = side_with(&side[1], pairing->program[1], pairing->kind, &only[1])))
        free(only[0].run);
    return rc;
}

/* Totals of the types that kinds show first, of the same program. */
static size_t summarize(struct compared *summary, const struct side side[2], const struct pairing *pairing,
                        size_t count, const struct pairing *shown, enum normalize normalize)
{
    struct side only[2];
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const struct pairing *other = &pairing[i];
        bool wanted =
            other->is_default || !strcmp(other->type, "inuse_space") || !strcmp(other->type, "alloc_space");
        if (other == shown || !wanted || strcmp(other->program[0], shown->program[0]) != 0)
            continue;
        if (sides_with(side, other, only))
            break;
        compare_total(&summary[used++], only, other, normalize);
        free(only[0].run);
        free(only[1].run);
    }
    return used;
}

/* What is compared per second is a service. Its intervals say how much it differs from one span to the next. */
static int compare_shown(struct wishes *wishes, struct printed *printed, struct compared *compared,
                         const struct pairing *shown, enum normalize normalize)
{
    struct side split[2] = {{NULL}};
    const struct side *side = printed->side;
    int rc;

    if (normalize == NORMALIZE_TIME && sides_split(side, shown, split))
        side = split;
    progress_step("comparing");
    rc = compare_all(compared, side, shown, normalize);
    compared->of_intervals = side == split;
    if (rc)
        rc = refuse("not enough memory");
    if (!rc)
        rc = find_limit(wishes, side, compared, &printed->limit);
    if (!rc)
        rc = print_all(wishes, printed);
    compared_free(compared);
    side_close(&split[0]);
    side_close(&split[1]);
    return rc;
}

static void list_programs(const struct pairing *pairing, size_t count, const struct pairing *shown,
                          char text[256])
{
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        const char *name = pairing[i].program[0];
        bool seen = !strcmp(name, shown->program[0]);
        for (size_t j = 0; j < i && !seen; j++)
            seen = !strcmp(pairing[j].program[0], name);
        if (!seen && used + strlen(name) + 3 < 256)
            used += (size_t)snprintf(text + used, 256 - used, "%s%s", used ? ", " : "", name);
    }
}

static int compare_sides(struct wishes *wishes, const struct side side[2], const struct pairing *pairing,
                         size_t count, const struct pairing *shown)
{
    struct compared *summary = calloc(count, sizeof *summary), compared;
    struct printed printed = {.compared = &compared, .summary = summary};
    enum normalize normalize;
    struct side only[2];
    int rc;

    if (!summary || sides_with(side, shown, only)) {
        free(summary);
        return refuse("not enough memory");
    }
    normalize = choose_normalize(wishes, only, shown);
    printed.side = only;
    printed.summaries = summarize(summary, side, pairing, count, shown, normalize);
    list_programs(pairing, count, shown, printed.programs);
    printed.growth = growth_of(only, shown, is_state(shown));
    rc = compare_shown(wishes, &printed, &compared, shown, normalize);
    free(only[0].run);
    free(only[1].run);
    free(summary);
    return rc;
}

/* What there is to compare, for an error. */
static void list_types(const struct pairing *pairing, size_t count, char text[256])
{
    size_t used = 0;

    *text = '\0';
    for (size_t i = 0; i < count; i++)
        if (!strcmp(pairing[i].program[0], pairing[0].program[0]) &&
            used + strlen(pairing[i].type) + 3 < 256 && !strstr(text, pairing[i].type))
            used += (size_t)snprintf(text + used, 256 - used, "%s%s", used ? " " : "", pairing[i].type);
}

/* Nothing in use is an answer, too, where allocations were recorded: a leak that is gone. */
static bool was_recorded(const struct pairing *pairing, size_t count, const struct pairing *shown)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(pairing[i].program[0], shown->program[0]) && !strcmp(pairing[i].kind, shown->kind) &&
            (pairing[i].size[0] != 0 || pairing[i].size[1] != 0))
            return true;
    return false;
}

static int run(struct wishes *wishes, const struct side side[2])
{
    struct pairing *pairing;
    const struct pairing *shown;
    char types[256];
    size_t count;
    int rc;

    pairing = sides_pair(&side[0], &side[1], &count);
    shown = pairing_find(pairing, count, wishes->type);
    list_types(pairing, count, types);
    if (!count)
        rc = refuse("%s and %s have no type of profile in common", side[0].name, side[1].name);
    else if (!shown)
        rc = refuse("not both sides have a type %s; they have %s", wishes->type, types);
    else if (!was_recorded(pairing, count, shown))
        rc = refuse("both sides have no value of type %s: nothing was recorded", shown->type);
    else
        rc = compare_sides(wishes, side, pairing, count, shown);
    free(pairing);
    return rc;
}

int diff_main(int argc, char **argv)
{
    struct wishes wishes = {.arguments = 0};
    struct side side[2] = {{NULL}};
    int rc = read_arguments(&wishes, argc, argv);

    if (rc)
        return rc;
    if (wishes.help) {
        print_help();
        return 0;
    }
    if (sides_open(side, wishes.argument))
        rc = refuse("%s", side[side[0].rc ? 0 : 1].error);
    if (!rc)
        rc = run(&wishes, side);
    side_close(&side[0]);
    side_close(&side[1]);
    return rc;
}
