/* SPDX-License-Identifier: Apache-2.0 */
// runs: 50000
/* Names that a program chooses, on their way out: three strings, each ended by a NUL, are a program, a
   service and labels, and a function, a file and a thread. Directories, pprof, the report, thread dumps,
   series and mangled names are made of them. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/uploader/gunzip.h"
#include "uploader/encoding/utf8.h"
#include "uploader/page/page.h"
#include "uploader/pprof/encode.h"
#include "uploader/pprof/profile.pb-c.h"
#include "uploader/programs/names.h"
#include "uploader/sinks/files/threads_text.h"
#include "uploader/sinks/http/pairs.h"
#include "uploader/sinks/pyroscope/series.h"
#include "uploader/symbols/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_TEXT = 1024 };

static void check(bool right)
{
    if (!right)
        abort();
}

/* Two ids of the same bytes, divided in another place. */
static void check_directories(const struct program_id *id)
{
    char text[ID_TEXT_BYTES], other_text[ID_TEXT_BYTES], name[DIRECTORY_NAME_BYTES], moved[MOST_TEXT + 2];
    struct program_id other = *id;

    snprintf(moved, sizeof moved, "%s,", id->service);
    other.service = moved;
    id_text(id, text);
    id_text(&other, other_text);
    check(strcmp(text, other_text) != 0);
    check(utf8_is_valid(text));
    for (unsigned n = 0; n < 3; n++) {
        directory_name(id, n, name);
        check(*name && *name != '.' && !strchr(name, '/') && strlen(name) < DIRECTORY_NAME_BYTES &&
              utf8_is_valid(name));
        for (const char *c = name; *c; c++)
            check((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
}

static void check_pprof(const struct profile *profile, const struct profile_meta *meta)
{
    Cprof__Profile *back;
    uint8_t *encoded, *plain;
    size_t length;

    check(!profile_encode(profile, meta, &encoded, &length));
    plain = gunzip(encoded, length, &length);
    check(plain != NULL);
    back = cprof__profile__unpack(NULL, length, plain);
    check(back && back->n_sample == 1);
    for (size_t i = 0; i < back->n_string_table; i++)
        check(utf8_is_valid(back->string_table[i]));
    cprof__profile__free_unpacked(back, NULL);
    free(plain);
    free(encoded);
}

static void check_report(const struct upload *upload)
{
    const struct page_head head = {.side = {upload->program, upload->service}};
    const struct page_file file = {.program = upload->program, .service = upload->service, .kind = "cpu"};
    struct page page;
    char *text, *json;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    check(out != NULL);
    page_begin(&page, &head, out);
    page_add(&page, &file);
    check(!page_end(&page, NULL));
    fclose(out);
    json = strstr(text, "{\"version\"");
    check(json != NULL);
    *strstr(json, "</script>") = 0;
    check(utf8_is_valid(json) && !strpbrk(json, "<>"));
    free(text);
}

static void add_label(void *context, const char *name, const char *value)
{
    series_add(context, name, value, false);
}

static void add_nothing(void *context, const char *name, const char *value)
{
    (void)context;
    check(name && value);
}

static void check_series(const struct program_id *id, const struct profile_kind *kind)
{
    struct series series = {.kind = kind};
    uint8_t *body;
    size_t size;

    series_add(&series, "service_name", id->service, true);
    pairs_read(id->labels, false, add_label, &series);
    pairs_read(id->labels, true, add_label, &series);
    body = series_push_request(&series, (const uint8_t *)"x", 1, &size);
    check(body && size);
    free(body);
    series_free(&series);
}

static void check_profiles(const struct program_id *id)
{
    struct elf_module module = {.path = id->labels, .name = id->labels, .id = 1};
    struct symbol_line line = {
        .function = id->program, .linkage = id->service, .file = id->labels, .line = 1};
    struct symbol_location location = {&module, 1, 1, 1, &line};
    const struct symbol_location *const frame[] = {&location};
    const struct profile_meta meta = {.program = id->program, .with_labels = true};
    const struct profile_meta pushed = {.program = id->program, .no_addresses = true};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_THREADS], 10);
    struct profile_sample sample = {
        .pid = 1,
        .frames = 1,
        .thread = id->service,
        .frame = frame,
        .value = {1},
        .about = {
            .tid = 2, .state = id->program, .wait = id->labels, .holder = 3, .holder_name = id->service}};
    const struct upload upload = {.id = id,
                                  .program = id->program,
                                  .service = id->service,
                                  .labels = id->labels,
                                  .merged = {[KIND_ID_THREADS] = profile},
                                  .final = true};
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    check(profile && out && !profile_add_thread(profile, &sample, NULL));
    check_pprof(profile, &meta);
    check_pprof(profile, &pushed);
    check_report(&upload);
    threads_text_write(out, profile, THREADS_GROUPED, "threads");
    threads_text_write(out, profile, THREADS_EACH, "threads");
    threads_text_write(out, profile, THREADS_AS_GO, "goroutine");
    fclose(out);
    free(text);
    profile_free(profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[3][MOST_TEXT + 1];
    const struct program_id id = {text[0], text[1], text[2]};
    const uint8_t *end = data + size;
    char name[DEMANGLE_MOST];

    for (int i = 0; i < 3; i++) {
        size_t length = strnlen((const char *)data, (size_t)(end - data));
        size_t taken = length < MOST_TEXT ? length : MOST_TEXT;
        memcpy(text[i], data, taken);
        text[i][taken] = 0;
        data += length + (length < (size_t)(end - data));
    }
    check_directories(&id);
    check_profiles(&id);
    check_series(&id, &profile_kinds[KIND_ID_CPU]);
    check(demangle(text[0], name) == strlen(name));
    demangle_is_mangled(text[0]);
    pairs_read(text[2], true, add_nothing, NULL);
    return 0;
}
