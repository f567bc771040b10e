/* SPDX-License-Identifier: Apache-2.0 */
#include "findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/json.h"
#include "uploader/encoding/utf8.h"

/* What they are called, for people and in JSON, and the colours of terminals. */
static const struct {
    const char *word, *color;
} levels[FINDING_LEVELS] = {
    [FINDING_STOPS] = {"stops", "\033[1;31m"},
    [FINDING_MISSING] = {"missing", "\033[33m"},
    [FINDING_NOTE] = {"note", "\033[36m"},
    [FINDING_WELL] = {"well", "\033[32m"},
};

static bool is_there(const struct findings *findings, const char *text)
{
    for (size_t i = 0; i < findings->count; i++)
        if (!strcmp(findings->finding[i].text, text))
            return true;
    return false;
}

static struct finding *next(struct findings *findings)
{
    if (findings->count == findings->room) {
        size_t room = findings->room ? 2 * findings->room : 16;
        struct finding *more = realloc(findings->finding, room * sizeof *more);
        if (!more)
            return NULL;
        findings->finding = more;
        findings->room = room;
    }
    return &findings->finding[findings->count];
}

/* File names and a server's words are foreign. */
static char *clean(const char *text)
{
    size_t room = 3 * strlen(text) + 1;
    char *copy = malloc(room);

    if (copy)
        utf8_clean(copy, room, text, true);
    return copy;
}

void findings_add(struct findings *findings, enum finding_level level, const char *id, const char *format,
                  ...)
{
    struct finding *finding = next(findings);
    char *made = NULL, *remedy;
    va_list args;
    int length;

    va_start(args, format);
    length = finding ? vasprintf(&made, format, args) : -1;
    va_end(args);
    if (length < 0)
        return;
    remedy = strchr(made, '\n');
    if (remedy)
        *remedy++ = 0;
    *finding = (struct finding){level, id, clean(made), remedy && *remedy ? clean(remedy) : NULL};
    free(made);
    if (finding->text && !is_there(findings, finding->text)) {
        findings->count++;
        return;
    }
    free(finding->text);
    free(finding->remedy);
}

bool findings_have(const struct findings *findings, const char *id)
{
    for (size_t i = 0; i < findings->count; i++)
        if (!strcmp(findings->finding[i].id, id) && findings->finding[i].level != FINDING_WELL)
            return true;
    return false;
}

static bool have_level(const struct findings *findings, enum finding_level level)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->finding[i].level == level)
            return true;
    return false;
}

int findings_status(const struct findings *findings)
{
    return have_level(findings, FINDING_STOPS) ? 2 : have_level(findings, FINDING_MISSING) ? 1 : 0;
}

static const char *verdict(const struct findings *findings)
{
    static const char *const words[] = {"all is well", "can be profiled, but something will be missing",
                                        "cannot be profiled"};
    return words[findings_status(findings)];
}

static void print_one(const struct finding *finding, bool color, FILE *out)
{
    fprintf(out, "%s%-8s%s %s", color ? levels[finding->level].color : "", levels[finding->level].word,
            color ? "\033[0m" : "", finding->text);
    if (finding->remedy)
        fprintf(out, ". %s", finding->remedy);
    putc('\n', out);
}

void findings_print(const struct findings *findings, const char *subject, struct findings_style style,
                    FILE *out)
{
    char *name = clean(subject);

    fprintf(out, "%s: %s\n", name ? name : "", verdict(findings));
    for (int level = 0; level < FINDING_LEVELS - !style.verbose; level++)
        for (size_t i = 0; i < findings->count; i++)
            if ((int)findings->finding[i].level == level)
                print_one(&findings->finding[i], style.color, out);
    free(name);
}

static void print_json_one(const struct finding *finding, bool is_first, FILE *out)
{
    fprintf(out, "%s\n  {\"level\":\"%s\",\"check\":\"%s\",\"text\":", is_first ? "" : ",",
            levels[finding->level].word, finding->id);
    json_put_text(out, finding->text);
    if (finding->remedy) {
        fputs(",\"remedy\":", out);
        json_put_text(out, finding->remedy);
    }
    putc('}', out);
}

void findings_print_json(const struct findings *findings, const char *subject, FILE *out)
{
    bool is_first = true;

    fputs("{\"subject\":", out);
    json_put_text(out, subject);
    fprintf(out, ",\"status\":%d,\"verdict\":\"%s\",\"findings\":[", findings_status(findings),
            verdict(findings));
    for (int level = 0; level < FINDING_LEVELS; level++)
        for (size_t i = 0; i < findings->count; i++)
            if ((int)findings->finding[i].level == level) {
                print_json_one(&findings->finding[i], is_first, out);
                is_first = false;
            }
    fputs("]}\n", out);
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->finding[i].text);
        free(findings->finding[i].remedy);
    }
    free(findings->finding);
    *findings = (struct findings){0};
}
