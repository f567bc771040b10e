/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "read.h"

int reading_fail(struct reading *reading, int rc, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(reading->error, sizeof reading->error, format, list);
    va_end(list);
    return rc;
}

const char *read_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
