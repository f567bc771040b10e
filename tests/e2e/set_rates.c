// SPDX-License-Identifier: Apache-2.0
// set_rates PID PROFILES CPU_NS MEMORY MUTEX BLOCK [MS PROFILES CPU_NS MEMORY MUTEX BLOCK]: writes rates to all
// segments that the uploader PID has, as it does itself, and then the one and the other in turn until it is killed.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../sampler/segment/layout.h"
#include "waits.h"

enum { MOST = 64, FIELDS = 5 };
static struct segment *segment[MOST];
static int segments;

static void map_all(const char *pid)
{
    char path[600], target[64];
    struct dirent *entry;
    DIR *directory;

    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    directory = opendir(path);
    while (directory && segments < MOST && (entry = readdir(directory))) {
        ssize_t length;
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
        length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        if (!strstr(target, "memfd:cprof (") && strcmp(target, "/memfd:cprof"))
            continue;
        segment[segments] = mmap(NULL, sizeof(struct segment), PROT_READ | PROT_WRITE, MAP_SHARED,
                                 open(path, O_RDWR | O_CLOEXEC), 0);
        segments += segment[segments] != MAP_FAILED && segment[segments]->header.magic == LAYOUT_MAGIC;
    }
}

static void set(char *const *field)
{
    for (int i = 0; i < segments; i++) {
        struct seg_control *control = &segment[i]->control;
        control->cpu_period_ns = control->asked.cpu_period_ns = (uint32_t)strtoul(field[1], NULL, 10);
        control->memory_rate = control->asked.memory_rate = strtoul(field[2], NULL, 10);
        control->mutex_fraction = control->asked.mutex_fraction = strtoul(field[3], NULL, 10);
        control->block_rate_ns = control->asked.block_rate_ns = strtoul(field[4], NULL, 10);
        control->profiles = control->asked.profiles = (uint32_t)strtoul(field[0], NULL, 10);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2 + FIELDS)
        return 2;
    map_all(argv[1]);
    if (!segments)
        return 1;
    set(argv + 2);
    while (argc >= 3 + 2 * FIELDS) {
        rest(atoll(argv[2 + FIELDS]) * 1000000);
        set(argv + 3 + FIELDS);
        rest(atoll(argv[2 + FIELDS]) * 1000000);
        set(argv + 2);
    }
    return 0;
}
