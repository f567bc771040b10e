/* SPDX-License-Identifier: Apache-2.0 */
// runs: 100000
/* Profiles of anybody, twice in one reading, compressed or not; and URLs of queries. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/query/request.h"
#include "analysis/read/read.h"
#include "analysis/tables/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUT = 16384 };

/* What others may rely on without a check. */
static void check(const struct read_profile *profile)
{
    for (size_t i = 1; i < profile->nodes; i++)
        if (profile->node[i].parent >= i || profile->node[i].frame >= profile->frames)
            abort();
    for (size_t i = 0; i < profile->frames; i++)
        if (profile->frame[i].function >= profile->functions)
            abort();
    for (size_t i = 0; i < profile->samples; i++)
        if (profile->sample[i].node >= profile->nodes || profile->sample[i].set >= profile->sets)
            abort();
    if (!profile->types || profile->default_type >= profile->types)
        abort();
}

static void ask(const uint8_t *data, size_t size)
{
    static struct query_request request;
    static char why[QUERY_TEXT];
    char *url = strndup((const char *)data, size);

    if (url && !query_parse(&request, url, 1700000000000, why) && request.until_ms <= request.from_ms)
        abort();
    free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading reading;

    if (size > MOST_INPUT)
        return 0;
    reading_init(&reading);
    for (int i = 0; i < 2; i++)
        if (reading_add_bytes(&reading, "fuzzed", data, size) && !reading.error[0])
            abort();
    for (size_t i = 0; i < reading.profiles; i++) {
        check(reading.profile[i]);
        free(read_type_rows(reading.profile[i], reading.profile[i]->default_type));
    }
    reading_trim(&reading);
    reading_free(&reading);
    ask(data, size);
    return 0;
}
