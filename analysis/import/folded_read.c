/* SPDX-License-Identifier: Apache-2.0 */
/* Folded stacks: one a line, "root;caller;leaf 17". flamegraph.pl, async-profiler's collapsed and py-spy's raw are so. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "build.h"
#include "uploader/base/array.h"

enum { LINE_MOST = 64 << 20 };

struct folded {
    struct source *in;
    struct reading *reading;
    struct read_profile *profile;
    char *line;
    size_t room, length;
    size_t stacks;
};

/* The next line, however long. 1; 0: the end; or negative errno. */
static int next_line(struct folded *folded)
{
    int byte = source_take(folded->in);

    folded->length = 0;
    if (byte < 0)
        return folded->in->error;
    for (; byte >= 0 && byte != '\n'; byte = source_take(folded->in)) {
        if (folded->length + 1 >= folded->room) {
            char *grown = folded->length < LINE_MOST
                              ? array_reserve(folded->line, &folded->room, folded->length + 2, 1)
                              : NULL;
            if (!grown)
                return folded->length < LINE_MOST ? -ENOMEM : -E2BIG;
            folded->line = grown;
        }
        folded->line[folded->length++] = byte ? (char)byte : '?';
    }
    if (!folded->line && !(folded->line = array_reserve(NULL, &folded->room, 1, 1)))
        return -ENOMEM;
    while (folded->length && isspace((unsigned char)folded->line[folded->length - 1]))
        folded->length--;
    folded->line[folded->length] = 0;
    return 1;
}

/* Cuts the count off the line. 0 or -EINVAL. */
static int take_count(struct folded *folded, int64_t *count)
{
    char *blank = folded->line + folded->length, *end;

    while (blank > folded->line && !isspace((unsigned char)blank[-1]))
        blank--;
    errno = 0;
    *count = strtoll(blank, &end, 10);
    if (*end == '.') { /* some writers give seconds or milliseconds as fractions; those are cut */
        end++;
        end += strspn(end, "0123456789");
    }
    if (end == blank || *end || errno)
        return -EINVAL;
    while (blank > folded->line && isspace((unsigned char)blank[-1]))
        blank--;
    *blank = 0;
    return 0;
}

static int add_stack(struct folded *folded, int64_t count)
{
    uint32_t node = 0;
    int rc = 0;

    for (char *at = folded->line, *next; at && !rc; at = next) {
        struct build_frame frame = {.name = at, .file = "", .module = ""};
        uint32_t number;
        next = strchr(at, ';');
        if (next)
            *next++ = 0;
        if (!*at)
            continue;
        rc = build_frame(folded->reading, folded->profile, &frame, &number);
        if (!rc)
            rc = tables_node(folded->profile, node, number, &node);
    }
    return rc ? rc : tables_add(folded->profile, node, 0, &count);
}

static int read_lines(struct folded *folded, const char **what)
{
    int rc;

    while ((rc = next_line(folded)) > 0) {
        int64_t count;
        if (!folded->length || *folded->line == '#')
            continue;
        if (take_count(folded, &count)) {
            folded->in->line -= folded->in->line > 1;
            *what = "a line of folded stacks is \"root;caller;leaf COUNT\"";
            return -EINVAL;
        }
        rc = add_stack(folded, count);
        if (rc)
            return rc;
        folded->stacks++;
    }
    if (!rc && !folded->stacks) {
        *what = "there are no stacks in it";
        return -ENODATA;
    }
    return rc;
}

int folded_read(struct source *in, struct reading *reading)
{
    static const struct read_type samples = {"samples", "count"};
    struct folded folded = {.in = in, .reading = reading};
    const char *what = NULL;
    int rc = -ENOMEM;

    folded.profile = build_profile(reading, "", "samples", &samples, 1);
    if (folded.profile)
        rc = read_lines(&folded, &what);
    free(folded.line);
    return rc ? build_fail(reading, in, rc, what) : 0;
}
