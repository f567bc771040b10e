/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "stacks.h"
#include "write.h"

struct folding {
    FILE *out;
    const struct read_profile *profile;
    const char *thread; /* NULL: not shown */
};

/* A semicolon would be the end of the name, and a line break that of the stack. */
static void put_name(FILE *out, const char *name)
{
    for (; *name; name++)
        putc(*name == ';' ? ':' : (unsigned char)*name < ' ' ? ' ' : *name, out);
}

static int put_stack(void *context, const uint32_t *function, size_t depth, int64_t value)
{
    const struct folding *folding = context;

    if (folding->thread) {
        put_name(folding->out, *folding->thread ? folding->thread : "[no thread]");
        putc(';', folding->out);
    }
    if (!depth)
        fputs("[no stack]", folding->out);
    for (size_t i = 0; i < depth; i++) {
        if (i)
            putc(';', folding->out);
        put_name(folding->out, folding->profile->function[function[i]].name);
    }
    fprintf(folding->out, " %" PRId64 "\n", value);
    return ferror(folding->out) ? -EIO : 0;
}

int folded_write(FILE *out, const struct choice *choice)
{
    const struct read_profile *profile = choice->item->profile;
    struct folding folding = {.out = out, .profile = profile};
    struct stacks_what what = {profile, (unsigned)choice->item->type, NULL, true};
    const char **thread;
    size_t threads;
    int rc = 0;

    if (!choice->threads)
        return stacks_each(&what, put_stack, &folding);
    thread = stacks_threads(profile, &threads);
    if (!thread)
        return -ENOMEM;
    for (size_t i = 0; i < threads && !rc; i++) {
        what.thread = folding.thread = thread[i];
        rc = stacks_each(&what, put_stack, &folding);
    }
    free(thread);
    return rc;
}
