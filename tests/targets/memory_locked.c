/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon with deadlines locks its memory, under a limit that its own needs. What is locked stays some MiB.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long locked_kib(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");

    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "VmLck:", 6))
            kib = strtoul(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return kib;
}

static void limit_to(unsigned long kib)
{
    struct rlimit limit = {kib << 10, kib << 10};
    setrlimit(RLIMIT_MEMLOCK, &limit);
}

static void drop_privilege(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {0};
    syscall(SYS_capset, &header, none);
}

static void say(const char *what, int result)
{
    unsigned long kib = locked_kib();
    printf("%s: %d %s, %s\n", what, result, result ? strerror(errno) : "",
           !kib         ? "none locked"
           : kib < 6144 ? "some MiB locked"
                        : "more locked");
    fflush(stdout);
}

/* 1 MiB that is mapped from now on: locked or not. */
static int is_future_locked(void)
{
    unsigned long before = locked_kib();
    void *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int locked = locked_kib() >= before + 1024;
    munmap(block, 1 << 20);
    return locked;
}

static void in_child(void (*what)(void))
{
    pid_t child = fork();
    if (!child) {
        what();
        exit(0);
    }
    waitpid(child, NULL, 0);
}

static void everything(void)
{
    say("current and future", mlockall(MCL_CURRENT | MCL_FUTURE));
    printf("future: %d\n", is_future_locked());
    say("current", mlockall(MCL_CURRENT));
    printf("future: %d\n", is_future_locked());
    munlockall();
    say("unlocked", 0);
    say("future", mlockall(MCL_FUTURE));
    printf("future: %d\n", is_future_locked());
    munlockall();
    say("on fault", mlockall(MCL_CURRENT | MCL_ONFAULT));
    munlockall();
    say("by number", (int)syscall(SYS_mlockall, MCL_CURRENT));
    munlockall();
    say("nothing", mlockall(0));
    say("unknown", mlockall(1 << 20));
}

/* A child that lives, and so gets a segment, while all that is mapped gets locked. */
static void living_child(void)
{
    say("in a child", mlockall(MCL_CURRENT | MCL_FUTURE));
    for (int i = 0; i < 4; i++)
        usleep(30000);
    say("later", 0);
    for (int i = 0; i < 20000; i++)
        free(malloc(5000));
    say("later still", 0);
}

static void too_little(void)
{
    limit_to(1024);
    say("limit of 1 MiB", mlockall(MCL_CURRENT));
    limit_to(0);
    say("limit of 0", mlockall(MCL_CURRENT | MCL_FUTURE));
}

int main(void)
{
    in_child(everything);
    limit_to(8192);
    drop_privilege();
    everything();
    in_child(everything);
    in_child(living_child);
    in_child(too_little);
    return 0;
}
