/* SPDX-License-Identifier: Apache-2.0 */
#include "include/cprof/cprof.h"

#include <stddef.h>

#include "sampler/process/process.h"

int cprof_api_version(void)
{
    return CPROF_API_VERSION;
}

int cprof_is_profiling(void)
{
    return process_segment() != NULL;
}
