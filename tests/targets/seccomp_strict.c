// SPDX-License-Identifier: Apache-2.0
// In seccomp's strict mode (read, write, exit, sigreturn) a program that uses the CPU and allocates is not
// killed.
#include "expect.h"
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int main(void)
{
    pid_t child = fork();
    if (!child) {
        void *reserve = malloc(1 << 20); /* the heap must not grow any more */
        free(reserve);
        burn(20);
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
            _exit(77);
        for (volatile long i = 0; i < 200000000; i++)
            if (i % 1000 == 0)
                free(malloc(1000));
        syscall(SYS_exit, 5);
    }
    EXPECT(wait_for(child) == 5);
    return 0;
}
