/* SPDX-License-Identifier: Apache-2.0 */
#include "in_use.h"

#include <stdio.h>

static double mib(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

bool program_in_use_text(const struct program *program, char text[IN_USE_TEXT])
{
    const struct resident *resident = &program->resident;
    int64_t rest = resident->anonymous + resident->shared - resident->blocks - resident->mapped;
    int length;

    if (!program->merged[KIND_ID_MEMORY] || !resident->anonymous)
        return false;
    length = snprintf(text, IN_USE_TEXT,
                      "resident %.1f MiB: blocks in use %.1f, mapped %.1f, files %.1f, cprof %.1f",
                      mib(resident->anonymous + resident->shared + resident->file + resident->own),
                      mib(resident->blocks), mib(resident->mapped), mib(resident->file), mib(resident->own));
    if (rest >= 0)
        snprintf(text + length, IN_USE_TEXT - (size_t)length,
                 ", other %.1f (free in the allocator, fragmentation, stacks)", mib(rest));
    else
        snprintf(text + length, IN_USE_TEXT - (size_t)length, "; %.1f of what is in use is not resident",
                 mib(-rest));
    return true;
}
