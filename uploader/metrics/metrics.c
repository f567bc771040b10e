/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdlib.h>

#include "parts.h"

char *metrics_render(const struct metrics *metrics, const struct metrics_session *session, size_t *size)
{
    struct metric_text text = {0};
    char *data = NULL;
    int failed;

    text.file = open_memstream(&data, size);
    if (!text.file)
        return NULL;
    metrics_write_programs(&text, metrics);
    metrics_write_session(&text, metrics, session);
    metrics_write_own(&text);
    failed = ferror(text.file);
    if (!fclose(text.file) && !failed)
        return data;
    free(data);
    return NULL;
}
