// SPDX-License-Identifier: Apache-2.0
// A thread whose system calls are signals, but those from one place (as emulators of other systems have it),
// gets none that it did not make.
#include "expect.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

int main(void)
{
    /* mov $231, %eax; syscall */
    static const unsigned char exit_group[] = {0xb8, 0xe7, 0, 0, 0, 0x0f, 0x05};
    pid_t child = fork();

    if (!child) {
        char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        burn(30);
        __builtin_memcpy(code, exit_group, sizeof exit_group);
        mprotect(code, 4096, PROT_READ | PROT_EXEC);
        if (prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, code, 4096, NULL))
            _exit(errno == EINVAL ? 3 : 4); /* before Linux 5.11 */
        for (volatile long i = 0; i < 50000000; i++)
            ;
        ((void (*)(int))(void *)code)(3);
    }
    EXPECT(wait_for(child) == 3);
    return 0;
}
