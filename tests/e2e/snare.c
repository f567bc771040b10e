// SPDX-License-Identifier: Apache-2.0
// Started by root, which it gives up. Then argv[1] s with a stack pointer that leads to memory which nobody
// serves (userfaultfd): whoever reads there waits for ever. Prints "caught" before it waits there.
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 1 << 20, NOBODY = 65534 };

static char *unserved_memory(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register area = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    area.range.start = (uintptr_t)memory;
    area.range.len = SIZE;
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &area)) {
        perror("userfaultfd");
        exit(77);
    }
    return memory;
}

static void sleep_there(const char *stack, const struct timespec *time)
{
#if defined(__x86_64__)
    long result = SYS_nanosleep;
    __asm__ volatile("mov %%rsp, %%rbx\n\tmov %[stack], %%rsp\n\tsyscall\n\tmov %%rbx, %%rsp"
                     : "+a"(result)
                     : "D"(time), "S"(0), [stack] "r"(stack)
                     : "rbx", "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_nanosleep;
    register long x0 __asm__("x0") = (long)time;
    register long x1 __asm__("x1") = 0;
    __asm__ volatile("mov x19, sp\n\tmov sp, %[stack]\n\tsvc #0\n\tmov sp, x19"
                     : "+r"(x0)
                     : "r"(number), "r"(x1), [stack] "r"(stack)
                     : "x19", "memory");
#endif
}

int main(int argc, char **argv)
{
    const struct timespec time = {argc > 1 ? atoi(argv[1]) : 2, 0};
    char *memory = unserved_memory();

    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
        return 1;
    prctl(PR_SET_DUMPABLE, 1);
    sleep(2); /* so that it is known whose it is now */
    puts("caught");
    fflush(stdout);
    sleep_there(memory + SIZE / 2, &time);
    return 0;
}
