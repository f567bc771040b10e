// SPDX-License-Identifier: Apache-2.0
// 10,000 requests, each with a label of its own, allocate 4 KiB each. All are under endpoint=/many.
#include <stdio.h>
#include <stdlib.h>

#include "../../include/cprof/cprof.h"

static void *volatile kept;

int main(void)
{
    char request[16];

    CPROF_LABEL_SCOPE("endpoint", "/many");
    for (int i = 0; i < 10240; i++) {
        snprintf(request, sizeof request, "%d", i);
        CPROF_LABEL_SCOPE("request", request);
        kept = malloc(4096);
    }
    return 0;
}
