/* SPDX-License-Identifier: Apache-2.0 */
#include "page.h"

#include <errno.h>
#include <string.h>

#include "uploader/encoding/base64.h"
#include "uploader/encoding/json.h"
#include "uploader/options/options.h"

#define DATA_MARK "@DATA@"
#define LIVE_MARK "<!--LIVE-->"

/* The page, with DATA_MARK where the JSON goes, and before it LIVE_MARK for what a server says. The Makefile lets the
   assembler find it in the build directory. */
__asm__(".section .rodata\n"
        ".local report_page, report_page_end\n"
        "report_page: .incbin \"report/report.html\"\n"
        "report_page_end: .byte 0\n"
        ".previous\n");
extern const char report_page[] __attribute__((visibility("hidden")));
extern const char report_page_end[] __attribute__((visibility("hidden")));

static void put_pair(FILE *out, const char *name, const char *text)
{
    if (!text)
        return;
    fprintf(out, "\"%s\":", name);
    json_put_text(out, text);
    putc(',', out);
}

void page_begin(struct page *page, const struct page_head *head, FILE *out)
{
    const char *top = strstr(report_page, LIVE_MARK), *mark = strstr(report_page, DATA_MARK);

    *page = (struct page){.out = out, .head = head};
    errno = 0; /* what is left in it at the end is the reason of a failed write */
    fwrite(report_page, 1, (size_t)(top - report_page), out);
    fputs(head->html ? head->html : "", out);
    top += strlen(LIVE_MARK);
    fwrite(top, 1, (size_t)(mark - top), out);
    fputs("{\"version\":\"" CPROF_VERSION "\",", out);
    put_pair(out, "live", head->live);
    put_pair(out, "view", head->view);
    fputs("\"sides\":[{", out);
    for (unsigned i = 0; i < 2 && (!i || head->side[i]); i++) {
        fputs(i ? "},{\"name\":" : "\"name\":", out);
        json_put_text(out, head->side[i] ? head->side[i] : "");
    }
    fputs("}],\"files\":[", out);
}

void page_add(struct page *page, const struct page_file *file)
{
    FILE *out = page->out;

    fprintf(out, "%s\n{\"side\":%u,", page->has_files ? "," : "", file->side);
    page->has_files = true;
    put_pair(out, "program", file->program);
    put_pair(out, "service", file->service);
    put_pair(out, "kind", file->kind);
    put_pair(out, "name", file->name);
    fprintf(out, "\"part\":\"%s\",\"data\":\"", file->interval ? "interval" : "whole");
    base64_put(out, file->data, file->size);
    fputs("\"}", out);
}

void page_add_source(struct page *page, const char *path, const char *text)
{
    fputs(page->has_sources ? ",\n" : "],\"sources\":{\n", page->out);
    page->has_sources = true;
    json_put_text(page->out, path);
    putc(':', page->out);
    json_put_text(page->out, text);
}

int page_end(struct page *page, const struct page_left_out *left_out)
{
    static const struct page_left_out nothing;
    const char *rest = strstr(report_page, DATA_MARK) + strlen(DATA_MARK);
    FILE *out = page->out;

    left_out = left_out ? left_out : &nothing;
    putc(page->has_sources ? '}' : ']', out);
    fprintf(out, ",\"left_out\":{\"intervals\":%zu,\"bytes\":%zu,\"programs\":%zu}}", left_out->intervals,
            left_out->bytes, left_out->programs);
    fwrite(rest, 1, (size_t)(report_page_end - rest), out);
    return ferror(out) ? -(errno ? errno : EIO) : 0;
}
