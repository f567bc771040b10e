// SPDX-License-Identifier: Apache-2.0
// Threads that no hook sees, while the others sleep for argv[1] s: one made by clone() itself, "bare-one",
// and the kernel's own of an io_uring that polls, "iou-sqp-PID". Exit status 77: there is no io_uring.
#include <errno.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STACK = 65536 };

static int bare(void *name)
{
    static const struct timespec time = {60, 0};
    long result;

    result = SYS_prctl;
    __asm__ volatile("syscall" : "+a"(result) : "D"(PR_SET_NAME), "S"(name) : "rcx", "r11", "memory");
    for (;;) {
        result = SYS_nanosleep;
        __asm__ volatile("syscall" : "+a"(result) : "D"(&time), "S"(0) : "rcx", "r11", "memory");
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char name[] = "bare-one";
    struct io_uring_params params = {.flags = IORING_SETUP_SQPOLL, .sq_thread_idle = 1000000};
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (syscall(SYS_io_uring_setup, 4, &params) < 0)
        return errno == ENOSYS || errno == EPERM ? 77 : 1;
    if (clone(bare, stack + STACK,
              CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, name) < 0)
        return 1;
    sleep(argc > 1 ? (unsigned)atoi(argv[1]) : 4);
    _exit(0);
}
