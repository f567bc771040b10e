/* SPDX-License-Identifier: Apache-2.0 */
// runs: 50000
/* A perf map as foreign bytes: the first byte says where the file is cut in two, which is how a compiler that
   is still writing leaves it; then every address that a line may begin with is asked for. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "uploader/symbols/perfmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAME_BYTES = 100 };

/* A root of its own, with a /tmp; no other process has the pid 1 in it. */
static int root_fd = -1;
static char directory[] = "/tmp/cprof-fuzz-XXXXXX", map_path[64];

static void remove_root(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    if (system(command))
        perror(directory);
}

static void make_root(void)
{
    if (root_fd != -1)
        return;
    if (!mkdtemp(directory))
        abort();
    atexit(remove_root);
    snprintf(map_path, sizeof map_path, "%s/tmp", directory);
    mkdir(map_path, 0700);
    strcat(map_path, "/perf-1.map");
    root_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void append(const uint8_t *data, size_t size, int flags)
{
    int fd = open(map_path, O_WRONLY | O_CREAT | flags, 0600);
    if (fd == -1 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
}

static void find(struct perfmap *map, uint64_t address)
{
    char name[NAME_BYTES];
    size_t length = perfmap_find(map, address, name, sizeof name);
    if (length >= sizeof name || (length && strnlen(name, sizeof name) < length))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct perfmap *map = perfmap_new();
    size_t cut;

    make_root();
    if (!map || !size)
        return perfmap_free(map), 0;
    cut = 1 + (size - 1) * data[0] / 256;
    append(data + 1, cut - 1, O_TRUNC);
    perfmap_refresh(map, NULL, root_fd, 1);
    append(data + cut, size - cut, O_APPEND);
    perfmap_refresh(map, NULL, root_fd, 1);
    for (uint64_t address = 0; address < 64; address++)
        find(map, address << (address % 8));
    for (size_t i = 1; i < size; i++) {
        char line[20] = "";
        if (data[i - 1] == '\n') {
            memcpy(line, data + i, size - i < 16 ? size - i : 16);
            find(map, strtoull(line, NULL, 16));
        }
    }
    perfmap_free(map);
    return 0;
}
