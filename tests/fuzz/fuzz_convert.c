/* SPDX-License-Identifier: Apache-2.0 */
// runs: 60000
/*
 * Files of any format that cprof convert reads: folded stacks, perf script, JSON of speedscope and of Firefox Profiler, and what
 * is guessed. The first byte picks the reader. What is read is written in each format, and what pprof is made of it has the
 * same totals. The text of a thread dump is read from the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/convert/load.h"
#include "analysis/explain/dump.h"
#include "analysis/export/write.h"
#include "analysis/read/read.h"

static void check_pprof(struct reading *reading, struct read_profile *profile)
{
    struct chosen item = {profile, ALL_TYPES};
    struct choice choice = {.reading = reading, .item = &item, .count = 1, .name = "x"};
    struct reading again;
    uint8_t *data = NULL;
    size_t size;

    if (pprof_encode(&choice, &data, &size))
        abort();
    reading_init(&again);
    if (reading_add_bytes(&again, "x", data, size) || again.profiles != 1)
        abort();
    for (unsigned t = 0; t < profile->types; t++)
        if (read_profile_total(profile, t) != read_profile_total(again.profile[0], t))
            abort();
    reading_free(&again);
    free(data);
}

static void write_all(struct reading *reading, FILE *out)
{
    struct chosen item[8];
    struct choice choice = {.reading = reading, .item = item, .name = "x", .threads = reading->profiles & 1};

    for (; choice.count < reading->profiles && choice.count < 8; choice.count++) {
        struct read_profile *profile = reading->profile[choice.count];
        item[choice.count] = (struct chosen){profile, (int)profile->default_type};
        check_pprof(reading, profile);
    }
    if (!choice.count)
        return;
    folded_write(out, &choice);
    firefox_write(out, &choice);
    speedscope_write(out, &choice);
}

static void try_dump(const uint8_t *data, size_t size)
{
    struct source in;
    struct dump dump;

    source_open_bytes(&in, "x", data, size);
    dump_text(&dump, &in);
    dump_free(&dump);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *out;
    struct reading reading;
    enum format format;

    if (!size)
        return 0;
    if (!out)
        out = fopen("/dev/null", "w");
    format = *data == '{' ? FORMAT_UNKNOWN : (enum format)(*data % (FORMAT_PERF_SCRIPT + 1));
    reading_init(&reading);
    if (!load_bytes(&reading, "x", format ? data + 1 : data, format ? size - 1 : size, format))
        write_all(&reading, out);
    else if (!*reading.error)
        abort();
    reading_free(&reading);
    try_dump(data, size);
    return 0;
}
