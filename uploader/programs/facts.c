/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "uploader/encoding/utf8.h"

const char *const fact_keys[FACTS] = {
    [FACT_SERVICE] = "service.name",
    [FACT_VERSION] = "service.version",
    [FACT_ENVIRONMENT] = "deployment.environment.name",
    [FACT_INSTANCE] = "service.instance.id",
    [FACT_CONTAINER] = "container.id",
    [FACT_EXECUTABLE] = "process.executable.path",
    [FACT_COMMAND] = "process.command",
};

/* What is kept of one process: the texts lie behind. */
struct process {
    struct facts facts;
    uint32_t pid;
    char texts[];
};

static struct process *process_new(pid_t pid, const struct facts *facts)
{
    struct process *process;
    size_t size = 0;
    char *end;

    for (int i = 0; i < FACTS; i++)
        size += facts->text[i] ? strnlen(facts->text[i], FACTS_TEXT) + 1 : 0;
    process = malloc(sizeof *process + size);
    if (!process)
        return NULL;
    *process = (struct process){.facts.pid = facts->pid, .pid = (uint32_t)pid};
    end = process->texts;
    for (int i = 0; i < FACTS; i++) {
        if (!facts->text[i] || !*facts->text[i])
            continue;
        process->facts.text[i] = utf8_clean(end, FACTS_TEXT, facts->text[i], true);
        end += strlen(end) + 1;
    }
    return process;
}

void process_facts_set(struct process_facts *all, pid_t pid, const struct facts *facts)
{
    struct process *process;

    free(hash_take(&all->by_pid, (uint32_t)pid));
    process = all->by_pid.used < FACTS_PROCESSES ? process_new(pid, facts) : NULL;
    if (process && hash_put(&all->by_pid, (uint32_t)pid, process))
        free(process);
}

const struct facts *process_facts_get(const struct process_facts *all, uint32_t pid)
{
    const struct process *process = hash_get(&all->by_pid, pid);
    return process ? &process->facts : NULL;
}

struct sweep {
    bool (*keep)(const void *context, uint32_t pid);
    const void *context;
};

static bool keep_process(void *value, void *context)
{
    const struct sweep *sweep = context;
    struct process *process = value;

    if (sweep->keep(sweep->context, process->pid))
        return true;
    free(process);
    return false;
}

void process_facts_sweep(struct process_facts *all, bool (*keep)(const void *context, uint32_t pid),
                         const void *context)
{
    struct sweep sweep = {keep, context};

    hash_sweep(&all->by_pid, keep_process, &sweep);
}

static bool keep_none(const void *context, uint32_t pid)
{
    (void)context;
    (void)pid;
    return false;
}

void process_facts_free(struct process_facts *all)
{
    process_facts_sweep(all, keep_none, NULL);
    hash_free(&all->by_pid);
}

/* --- groups --- */

static uint64_t hash_facts(const struct facts *facts, unsigned told_apart)
{
    uint64_t hash = 0;

    for (unsigned i = 0; i < told_apart; i++)
        if (facts->text[i])
            hash = hash_mix(hash_mix(hash, i + 1), hash_bytes(facts->text[i], strlen(facts->text[i])));
    return hash;
}

/* The first group has the hash 0, which is that of nothing. */
static struct fact_group *group_of(struct fact_groups *groups, uint64_t hash)
{
    for (unsigned i = 1; i < groups->count; i++)
        if (groups->group[i].hash == hash)
            return &groups->group[i];
    if (!hash || groups->count == FACT_GROUPS)
        return &groups->group[0];
    groups->group[groups->count] = (struct fact_group){.hash = hash, .groups = groups};
    return &groups->group[groups->count++];
}

static bool is_same(const char *a, const char *b)
{
    return a && b && !strcmp(a, b);
}

static void add_process(struct fact_group *group, const struct facts *facts)
{
    if (!group->processes++) {
        group->facts = *facts;
        return;
    }
    group->facts.pid = 0;
    for (int i = 0; i < FACTS; i++)
        if (!is_same(group->facts.text[i], facts->text[i]))
            group->facts.text[i] = NULL;
}

void fact_groups_make(struct fact_groups *groups, const struct process_facts *all, unsigned told_apart)
{
    const struct process *process;

    *groups = (struct fact_groups){.all = all, .told_apart = told_apart, .count = 1};
    groups->group[0].groups = groups;
    for (size_t cursor = 0; all && (process = hash_each(&all->by_pid, &cursor));)
        add_process(group_of(groups, hash_facts(&process->facts, told_apart)), &process->facts);
}

bool fact_group_takes(const void *context, uint32_t pid)
{
    const struct fact_group *group = context;
    const struct fact_groups *groups = group->groups;
    const struct facts *facts = groups->all ? process_facts_get(groups->all, pid) : NULL;
    uint64_t hash = facts ? hash_facts(facts, groups->told_apart) : 0;

    for (unsigned i = 1; i < groups->count; i++)
        if (groups->group[i].hash == hash)
            return group == &groups->group[i];
    return group == &groups->group[0];
}
