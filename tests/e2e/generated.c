// SPDX-License-Identifier: Apache-2.0
// Burns three seconds of CPU time in code that it has generated at a known address, after it gave up root.
// /tmp/perf-PID.map is a link to argv[1]; with "snare" it leads to a file system in user space that nobody
// answers for.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "waits.h"

enum { NOBODY = 65534 };
#define PLACE 0x510000000000

static int mount_snare(const char *directory)
{
    char options[128];
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd);
    return fd < 0 || unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, "") ||
           mount("snare", directory, "fuse", 0, options);
}

int main(int argc, char **argv)
{
    /* mov %rdi, %rcx; 1: dec %rcx; jnz 1b; ret */
    static const uint8_t code[] = {0x48, 0x89, 0xf9, 0x48, 0xff, 0xc9, 0x75, 0xfb, 0xc3};
    char map[64], there[256];
    void *place =
        mmap((void *)PLACE, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    int64_t end;

    if (argc < 3 || place == MAP_FAILED)
        return 1;
    snprintf(there, sizeof there, "%s%s", argv[1], strcmp(argv[2], "snare") ? "" : "/names");
    if (!strcmp(argv[2], "snare") && mount_snare(argv[1]))
        return 77;
    memcpy(place, code, sizeof code);
    snprintf(map, sizeof map, "/tmp/perf-%d.map", (int)getpid());
    if (mprotect(place, 4096, PROT_READ | PROT_EXEC) || symlink(there, map))
        return 1;
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
        return 1;
    prctl(PR_SET_DUMPABLE, 1);
    sleep(2); /* so that it is known whose it is now */
    end = now_ns(CLOCK_THREAD_CPUTIME_ID) + 3000000000;
    while (now_ns(CLOCK_THREAD_CPUTIME_ID) < end)
        ((void (*)(uint64_t))place)(1000000);
    return 0;
}
