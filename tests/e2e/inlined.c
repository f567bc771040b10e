// SPDX-License-Identifier: Apache-2.0
// One function that is inlined twice over. The lines below are named by the test: do not move them.
#include <stdint.h>
#include <time.h>

static volatile uint64_t sink;

static inline __attribute__((always_inline)) uint64_t innermost(uint64_t x)
{
    for (unsigned i = 0; i < 100000; i++)
        x = x * 6364136223846793005u + 1; /* line 11 */
    return x;
}

static inline __attribute__((always_inline)) void middle(uint64_t x)
{
    sink = innermost(x); /* line 17 */
}

__attribute__((noinline)) void outer(void)
{
    middle(sink); /* line 22 */
    sink++;
}

int main(void)
{
    while (clock() < CLOCKS_PER_SEC)
        outer();
    return 0;
}
