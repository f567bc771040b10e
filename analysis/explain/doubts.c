/* SPDX-License-Identifier: Apache-2.0 */
/* What of a record was lost, cut or has no names: what makes its numbers doubtful. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "explain_parts.h"

enum { DOUBTS_MOST = 6, DOUBTS_BRIEF = 2, PACKAGE_BYTES = 128 };

/* Parts of comments that tell of a loss, as sampler/segment/layout.h and uploader/upload/comments.c have them. */
static const char *const losses[] = {
    "samples lost",
    "not tracked",
    "not profiled",
    "without a CPU timer",
    "not kept:",
    "not recorded:",
    "not taken:",
    "cannot be interposed",
    "not seen:",
    "records dropped",
    "cut at the depth",
    "went to one",
    "could not be followed",
    "left out:",
    "counted under [other]",
    "without their trace",
    "too many",
};

static bool is_loss(const char *comment)
{
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
        if (strstr(comment, losses[i]))
            return true;
    return false;
}

/* "overhead: 4.26 % of the CPU time (...); the limit is 2 %" */
static bool is_above_limit(const char *comment)
{
    const char *limit = strstr(comment, "the limit is ");

    return !strncmp(comment, "overhead: ", 10) && limit &&
           strtod(comment + 10, NULL) > strtod(limit + 13, NULL);
}

/* "no symbols, share of cpu: libjemalloc.so.2 0.3 % (libjemalloc2-dbgsym)": the first package. */
static bool find_package(const char *comment, char package[PACKAGE_BYTES])
{
    const char *open = strchr(comment, '(');
    size_t length = open ? strcspn(open + 1, ")") : 0;

    if (!length || length >= PACKAGE_BYTES || memchr(open + 1, ' ', length))
        return false;
    memcpy(package, open + 1, length);
    package[length] = 0;
    return true;
}

/* The length of "no symbols, share of cpu: ", if the last comment that was said began with it, too. */
static size_t repeated_prefix(const char *comment, const char *last)
{
    const char *colon = strchr(comment, ':');
    const size_t length = colon ? (size_t)(colon - comment) + 2 : 0;

    return length && last && !strncmp(comment, "no symbols", 10) && !strncmp(comment, last, length) ? length
                                                                                                    : 0;
}

static size_t doubts_most(const struct explanation *explanation)
{
    return explanation->say.all ? DOUBTS_MOST : DOUBTS_BRIEF;
}

/* In brief without what stands in brackets. */
static void say_comment(struct say *text, const char *comment)
{
    const char *open = text->all ? NULL : strstr(comment, " ("), *close = open ? strchr(open, ')') : NULL;

    if (close)
        say(text, "%.*s%s", (int)(open - comment), comment, close + 1);
    else
        say(text, "%s", comment);
}

static void take_comment(struct explanation *explanation, const char *comment, const char **last,
                         size_t *said)
{
    char package[PACKAGE_BYTES];
    const bool is_unnamed = !strncmp(comment, "no symbols", 10);
    const size_t repeated = repeated_prefix(comment, *last);

    if (!is_unnamed && !is_loss(comment) && !is_above_limit(comment))
        return;
    if ((*said)++ >= doubts_most(explanation))
        return;
    *last = comment;
    say(&explanation->say, repeated ? ", " : *said > 1 ? "; " : "Doubts: ");
    say_comment(&explanation->say, comment + repeated);
    if (is_unnamed && find_package(comment, package))
        explain_next(explanation, "install %s for the names of functions", package);
    else if (is_unnamed)
        explain_next(explanation, "cprof doctor PROGRAM   # which symbols are missing, and what brings them");
}

static bool has_comment(const struct read_profile *profile, const char *comment)
{
    for (size_t i = 0; profile && i < profile->comments; i++)
        if (!strcmp(profile->comment[i], comment))
            return true;
    return false;
}

void explain_doubts(struct explanation *explanation)
{
    const struct read_profile *profile[] = {explanation->cpu,   explanation->memory, explanation->mutex,
                                            explanation->block, explanation->wall,   explanation->other};
    const size_t count = sizeof profile / sizeof(profile[0]);
    const char *last = NULL;
    size_t said = 0;

    for (size_t p = 0; p < count; p++)
        for (size_t i = 0; profile[p] && i < profile[p]->comments; i++) {
            bool is_known = false;
            for (size_t other = 0; other < p; other++)
                is_known |= has_comment(profile[other], profile[p]->comment[i]);
            if (!is_known)
                take_comment(explanation, profile[p]->comment[i], &last, &said);
        }
    if (said > doubts_most(explanation))
        say(&explanation->say, "; and %zu more", said - doubts_most(explanation));
    if (said)
        say(&explanation->say, ".");
    explain_paragraph(explanation, RANK_DOUBTS);
}
