// SPDX-License-Identifier: Apache-2.0
/* Uses CPU time and makes no system call for it but a write at its end. */
#include <unistd.h>

__attribute__((noinline)) static void compute(void)
{
    for (volatile long i = 0; i < 200000000; i++)
        ;
}

int main(void)
{
    compute();
    return write(1, "done\n", 5) != 5;
}
