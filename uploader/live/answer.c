/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <inttypes.h>
#include <string.h>

#include "uploader/encoding/base64.h"
#include "uploader/encoding/json.h"

void answer_begin(FILE *out, const char *session, int64_t since_ms, int64_t now_ms, bool has_ended)
{
    fputs("{\"session\":", out);
    json_put_text(out, session);
    fprintf(out, ",\"since\":%" PRId64 ",\"now\":%" PRId64 ",\"ended\":%s,\"files\":[", since_ms, now_ms,
            has_ended ? "true" : "false");
}

void answer_file(FILE *out, bool is_first, const struct answer_file *file)
{
    fputs(is_first ? "{\"program\":" : ",{\"program\":", out);
    json_put_text(out, file->program);
    fputs(",\"service\":", out);
    json_put_text(out, file->service);
    fprintf(out,
            ",\"kind\":\"%s\",\"part\":\"%s\",\"start\":%" PRId64 ",\"end\":%" PRId64
            ",\"name\":\"%s.pb.gz\"",
            file->kind, file->is_whole ? "whole" : "interval", file->start_ms, file->end_ms, file->kind);
    fputs(",\"data\":\"", out);
    base64_put(out, file->data, file->size);
    fputs("\"}", out);
}

void answer_end(FILE *out, bool more)
{
    fprintf(out, "],\"more\":%s}\n", more ? "true" : "false");
}

bool answer_is_tab(const char *text)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = strlen(text);

    return length && length <= ANSWER_TAB && strspn(text, digits) == length;
}
