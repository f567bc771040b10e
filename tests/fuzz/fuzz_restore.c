/* SPDX-License-Identifier: Apache-2.0 */
// runs: 120000
/* Files that an earlier uploader wrote, and others could have changed since: a profile, which is compressed
   here, and the mark that says whose it is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "uploader/programs/names.h"
#include "uploader/sinks/files/restore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 16384 };

static void read_mark(const uint8_t *data, size_t size)
{
    static char program[ID_TEXT_BYTES], service[ID_TEXT_BYTES], labels[ID_TEXT_BYTES], text[ID_TEXT_BYTES];
    char *mark = malloc(size + 1);

    if (!mark)
        return;
    memcpy(mark, data, size);
    mark[size] = 0;
    if (!id_read(mark, program, service, labels))
        id_text(&(struct program_id){program, service, labels}, text);
    free(mark);
}

static size_t compress_all(const uint8_t *data, size_t size, uint8_t *to, size_t room)
{
    z_stream stream = {
        .next_in = (uint8_t *)data, .avail_in = (unsigned)size, .next_out = to, .avail_out = (unsigned)room};

    if (deflateInit2(&stream, 0, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&stream);
    return stream.total_out;
}

static void restore(const uint8_t *data, size_t size)
{
    struct symbols *symbols = symbols_new("", 1 << 20);
    struct programs programs;
    struct hash pids = {0};
    const struct restore_without without = {&pids, false};
    struct profile *profile = profile_new(&profile_kinds[KIND_ID_CPU], 1000);
    int64_t time_ns;

    programs_init(&programs, symbols);
    restore_profile(&programs, profile, data, size, &without, &time_ns);
    profile_free(profile);
    programs_free(&programs);
    symbols_free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t zipped[MOST_INPUT + 1024];

    if (size > MOST_INPUT)
        return 0;
    read_mark(data, size);
    restore(zipped, compress_all(data, size, zipped, sizeof zipped));
    restore(data, size);
    return 0;
}
