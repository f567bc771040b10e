/* SPDX-License-Identifier: Apache-2.0 */
#include "jit.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "perfmap.h"

enum { MAPS_OPEN_MOST = 16 };

struct jit_process {
    struct perfmap *map;
    int pid;
    dev_t root_device;
    ino_t root_inode;
    uint32_t key;
    unsigned generation; /* of the map that the key stands for */
    uint64_t used;       /* jit.clock of the last look-up */
};

/* pid, and the root: the same number in another container is another process. */
static struct jit_process identity_of(const struct process_files *source)
{
    struct stat root = {0};

    if (source->root_fd >= 0)
        fstat(source->root_fd, &root);
    return (struct jit_process){.pid = source->pid, .root_device = root.st_dev, .root_inode = root.st_ino};
}

static uint64_t hash_of(const struct jit_process *process)
{
    return hash_mix(hash_mix(process->root_inode, process->root_device), (uint32_t)process->pid);
}

static struct jit_process *find(const struct jit *jit, const struct jit_process *like)
{
    struct jit_process *process;

    for (size_t cursor = 0; (process = hash_next(&jit->processes, hash_of(like), &cursor));)
        if (process->pid == like->pid && process->root_device == like->root_device &&
            process->root_inode == like->root_inode)
            break;
    return process;
}

static void process_free(struct jit_process *process)
{
    perfmap_free(process->map);
    free(process);
}

struct jit_process *jit_find(struct jit *jit, const struct process_files *source)
{
    const struct jit_process like = identity_of(source);
    struct jit_process *process = find(jit, &like);

    if (process || !(process = malloc(sizeof *process)))
        return process;
    *process = like;
    process->map = perfmap_new();
    process->key = ++jit->keys;
    if (!process->map || hash_add(&jit->processes, hash_of(process), process)) {
        process_free(process);
        return NULL;
    }
    return process;
}

void jit_process_ended(struct jit *jit, const struct process_files *source)
{
    const struct jit_process like = identity_of(source);
    struct jit_process *process = find(jit, &like);

    if (!process)
        return;
    hash_remove(&jit->processes, hash_of(process), process);
    process_free(process);
}

uint32_t jit_key(const struct jit_process *process)
{
    return process->key;
}

size_t jit_name(struct jit *jit, struct jit_process *process, const struct process_files *source,
                uint64_t address, char name[JIT_NAME_MOST])
{
    unsigned generation;

    process->used = ++jit->clock;
    if (perfmap_refresh(process->map, source->owner, source->root_fd, source->pid) < 0)
        return 0;
    generation = perfmap_generation(process->map);
    if (process->generation && process->generation != generation)
        process->key = ++jit->keys; /* another process has the pid now */
    process->generation = generation;
    return perfmap_find(process->map, address, name, JIT_NAME_MOST);
}

/* Bytes of all maps, how many there are, and the one that was not used for longest. */
static size_t maps_bytes(const struct jit *jit, struct jit_process **oldest, unsigned *open)
{
    struct jit_process *process;
    size_t bytes = 0;

    *oldest = NULL;
    *open = 0;
    for (size_t cursor = 0; (process = hash_each(&jit->processes, &cursor));) {
        const size_t size = perfmap_bytes(process->map);
        bytes += size;
        *open += size > 0;
        if (size && (!*oldest || process->used < (*oldest)->used))
            *oldest = process;
    }
    return bytes;
}

size_t jit_trim(const struct jit *jit, size_t ceiling)
{
    struct jit_process *oldest;
    unsigned open;
    size_t bytes;

    while ((bytes = maps_bytes(jit, &oldest, &open)) && (bytes > ceiling || open > MAPS_OPEN_MOST))
        perfmap_forget(oldest->map);
    return bytes;
}

void jit_free(struct jit *jit)
{
    struct jit_process *process;

    for (size_t cursor = 0; (process = hash_each(&jit->processes, &cursor));)
        process_free(process);
    hash_free(&jit->processes);
}
