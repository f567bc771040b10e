/* SPDX-License-Identifier: Apache-2.0 */
/* Says which libraries it was started with. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *preload = getenv("LD_PRELOAD");
    printf("LD_PRELOAD=%s\n", preload ? preload : "none");
    return 0;
}
