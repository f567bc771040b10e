/* SPDX-License-Identifier: Apache-2.0 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/import/build.h"
#include "analysis/import/merge.h"
#include "analysis/read/read.h"

static int load_pprof(struct reading *reading, struct source *in)
{
    uint8_t *data;
    size_t size;
    int rc = source_rest(in, &data, &size);

    if (!rc && !size)
        rc = -EINVAL;
    if (rc)
        build_fail(reading, in, rc, size ? NULL : "it is empty");
    else
        rc = reading_add_bytes(reading, in->name, data, size);
    free(data);
    return rc;
}

typedef int read_format(struct source *in, struct reading *reading);

static read_format *const readers[] = {
    [FORMAT_FOLDED] = folded_read,
    [FORMAT_SPEEDSCOPE] = speedscope_read,
    [FORMAT_FIREFOX] = firefox_read,
    [FORMAT_PERF_SCRIPT] = perf_script_read,
};

/* The readers of formats need tables of their own. Those of the first file are the reading's. */
static int load_other(struct reading *reading, struct source *in, read_format *read)
{
    struct reading part;
    int rc;

    if (!reading->profiles)
        return read(in, reading);
    reading_init(&part);
    rc = read(in, &part);
    if (rc)
        memcpy(reading->error, part.error, sizeof reading->error);
    else
        rc = merge_reading(reading, &part);
    reading_free(&part);
    return rc;
}

static int load_source(struct reading *reading, struct source *in, enum format format)
{
    const char *what = NULL;

    if (format == FORMAT_UNKNOWN)
        format = guess_contents(in->piece, in->end, &what);
    if (format == FORMAT_PPROF)
        return load_pprof(reading, in);
    if (format != FORMAT_UNKNOWN)
        return load_other(reading, in, readers[format]);
    snprintf(reading->error, sizeof reading->error, "%s: %s", in->name, what);
    return -EINVAL;
}

int load_any(struct reading *reading, const char *path, enum format format)
{
    const bool is_stream = !strcmp(path, "-");
    struct source in;
    struct stat st;
    int rc;

    if (!is_stream && !stat(path, &st) && S_ISDIR(st.st_mode))
        return reading_add(reading, path);
    rc = source_open(&in, path);
    if (rc) {
        snprintf(reading->error, sizeof reading->error, "%s: %s", in.name,
                 rc == -EILSEQ || rc == -EPIPE ? "the gzipped file is damaged or cut off" : strerror(-rc));
        return rc;
    }
    rc = load_source(reading, &in, format);
    source_close(&in);
    return rc;
}

int load_bytes(struct reading *reading, const char *name, const uint8_t *data, size_t size,
               enum format format)
{
    struct source in;

    source_open_bytes(&in, name, data, size);
    return load_source(reading, &in, format);
}
