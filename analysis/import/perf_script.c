/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `perf script` prints: for each sample a line "COMM PID/TID [CPU] TIME: PERIOD EVENT:", then its frames, leaf first,
 * "ADDRESS SYMBOL+0xOFFSET (MODULE)", then an empty line.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/tables/tables.h"
#include "build.h"

enum { LINE_BYTES = 32 * 1024, FRAMES = 1024 };

struct perf_script {
    struct source *in;
    struct reading *reading;
    struct read_profile *profile; /* of the present sample; NULL: none is open */
    uint32_t set, frame[FRAMES];
    unsigned frames;
    int64_t period;
    size_t samples;
    char line[LINE_BYTES];
};

static int end_sample(struct perf_script *script)
{
    const int64_t value[2] = {1, script->period};
    uint32_t node = 0;
    int rc = 0;

    if (!script->profile)
        return 0;
    for (unsigned i = script->frames; i-- && !rc;)
        rc = tables_node(script->profile, node, script->frame[i], &node);
    if (!rc)
        rc = tables_add(script->profile, node, script->set, value);
    script->profile = NULL;
    script->samples++;
    return rc;
}

static char *cut_back(char *text)
{
    size_t length = strlen(text);

    while (length && isspace((unsigned char)text[length - 1]))
        text[--length] = 0;
    return text;
}

/* The last word of the text, which is cut off it. "": there is none. */
static char *cut_word(char *text)
{
    char *end = cut_back(text) + strlen(text), *word = end;

    while (word > text && !isspace((unsigned char)word[-1]))
        word--;
    if (word > text)
        word[-1] = 0;
    return word == text ? end : word;
}

/* "COMM PID/TID [CPU]", with or without the rest. */
static int take_thread(struct perf_script *script, char *text)
{
    char *word = cut_word(text);

    if (*word == '[')
        word = cut_word(text);
    while (isspace((unsigned char)*text))
        text++;
    return build_thread(script->reading, script->profile, cut_back(text), strtoll(word, NULL, 10),
                        &script->set);
}

/* "cpu-clock:u:" is cpu-clock. Values of clocks are times. */
static struct read_profile *event_profile(struct perf_script *script, char *event)
{
    struct read_type type[2] = {{"samples", "count"}, {NULL, "count"}};
    const char *kind = strstr(event, "clock") || strstr(event, "cycles") ? "cpu" : NULL;

    event[strcspn(event, ":")] = 0;
    type[1].type = strstr(event, "clock") ? "cpu" : event;
    if (strstr(event, "clock"))
        type[1].unit = "nanoseconds";
    return build_profile(script->reading, "", kind && strstr(event, "clock") ? kind : event, type, 2);
}

/* "COMM PID [CPU] TIME: PERIOD EVENT:", whose PERIOD may be missing. */
static int begin_sample(struct perf_script *script)
{
    char *event = cut_word(script->line), *period = cut_word(script->line), *end;

    if (!*event || event[strlen(event) - 1] != ':' || !*period)
        return -EINVAL;
    script->period = strtoll(period, &end, 10);
    if (*end) /* it is the time */
        script->period = 1;
    else
        cut_word(script->line);
    script->profile = event_profile(script, event);
    script->frames = 0;
    if (!script->profile)
        return -ENOMEM;
    return take_thread(script, script->line);
}

static int add_frame(struct perf_script *script)
{
    char *module = cut_word(script->line), *name = script->line + strspn(script->line, " \t"), *plus;
    struct build_frame frame = {.file = "", .module = ""};
    size_t length = strlen(module);

    name += strspn(name, "0123456789abcdef");
    name += strspn(name, " \t");
    cut_back(name);
    if (length > 1 && *module == '(' && module[length - 1] == ')') {
        module[length - 1] = 0;
        frame.module = module + 1;
    }
    frame.inlined = !strcmp(frame.module, "inlined");
    if (frame.inlined || *frame.module == '[')
        frame.module = frame.inlined ? "" : frame.module;
    plus = strrchr(name, '+');
    if (plus && !strncmp(plus, "+0x", 3))
        *plus = 0;
    frame.name = name;
    if (script->frames == FRAMES)
        return 0;
    return build_frame(script->reading, script->profile, &frame, &script->frame[script->frames++]);
}

static int take_line(struct perf_script *script, const char **what)
{
    int rc;

    if (!script->line[strspn(script->line, " \t")])
        return end_sample(script);
    if (*script->line == '#')
        return 0;
    if (script->profile && isspace((unsigned char)*script->line))
        return add_frame(script);
    rc = end_sample(script);
    if (!rc)
        rc = begin_sample(script);
    if (rc == -EINVAL)
        *what = "this is no line of `perf script`";
    return rc;
}

int perf_script_read(struct source *in, struct reading *reading)
{
    struct perf_script *script = calloc(1, sizeof *script);
    const char *what = NULL;
    int rc = script ? 0 : -ENOMEM;

    if (script) {
        script->in = in;
        script->reading = reading;
    }
    while (!rc && source_line(in, script->line, sizeof script->line) >= 0)
        rc = take_line(script, &what);
    if (!rc)
        rc = end_sample(script);
    if (!rc && in->error)
        rc = in->error;
    if (!rc && !script->samples) {
        rc = -ENODATA;
        what = "there are no samples in it";
    }
    free(script);
    return rc ? build_fail(reading, in, rc, what) : 0;
}
