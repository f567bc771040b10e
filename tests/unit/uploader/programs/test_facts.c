/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of processes, and how they are grouped by it; container ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "uploader/process/container_id.h"
#include "uploader/programs/facts.h"

static void set(struct process_facts *all, pid_t pid, const char *service, const char *container,
                const char *command)
{
    const struct facts facts = {
        .pid = pid,
        .text = {[FACT_SERVICE] = service, [FACT_CONTAINER] = container, [FACT_COMMAND] = command}};
    process_facts_set(all, pid, &facts);
}

static unsigned group_of(const struct fact_groups *groups, uint32_t pid)
{
    unsigned found = FACT_GROUPS;

    for (unsigned i = 0; i < groups->count; i++) {
        if (!fact_group_takes(&groups->group[i], pid))
            continue;
        assert_int_equal(found, FACT_GROUPS); /* a process is of one group */
        found = i;
    }
    assert_int_not_equal(found, FACT_GROUPS);
    return found;
}

static void processes_are_told_apart_as_far_as_asked_for(void **state)
{
    struct process_facts all = {.by_pid = {.used = 0}};
    struct fact_groups groups;

    (void)state;
    set(&all, 1, "shop", "c1", "./shop");
    set(&all, 2, "shop", "c2", "./shop");
    set(&all, 3, "store", "c1", "bad\xff");
    set(&all, 4, NULL, NULL, "./x");
    fact_groups_make(&groups, &all, FACTS_OF_SERVICE);
    assert_int_equal(groups.count, 3);
    assert_int_equal(group_of(&groups, 1), group_of(&groups, 2));
    assert_int_not_equal(group_of(&groups, 1), group_of(&groups, 3));
    assert_int_equal(group_of(&groups, 4), 0);
    assert_int_equal(group_of(&groups, 99), 0); /* nothing is known of it */
    assert_int_equal(groups.group[0].processes, 1);
    assert_string_equal(groups.group[group_of(&groups, 1)].facts.text[FACT_COMMAND], "./shop");
    assert_null(groups.group[group_of(&groups, 1)].facts.text[FACT_CONTAINER]); /* they differ in it */
    assert_int_equal(groups.group[group_of(&groups, 3)].facts.pid, 3);
    assert_string_equal(groups.group[group_of(&groups, 3)].facts.text[FACT_COMMAND], "bad?");
    fact_groups_make(&groups, &all, FACTS_OF_GROUP);
    assert_int_equal(groups.count, 4);
    assert_int_not_equal(group_of(&groups, 1), group_of(&groups, 2));
    set(&all, 2, "shop", "c1", NULL);
    fact_groups_make(&groups, &all, FACTS_OF_GROUP);
    assert_int_equal(group_of(&groups, 1), group_of(&groups, 2));
    process_facts_free(&all);
    fact_groups_make(&groups, NULL, FACTS_OF_GROUP);
    assert_int_equal(groups.count, 1);
    assert_int_equal(group_of(&groups, 1), 0);
}

static void groups_beyond_the_ceiling_are_one(void **state)
{
    struct process_facts all = {.by_pid = {.used = 0}};
    struct fact_groups groups;

    (void)state;
    for (int i = 1; i <= 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        set(&all, i, name, NULL, NULL);
    }
    fact_groups_make(&groups, &all, FACTS_OF_GROUP);
    assert_int_equal(groups.count, FACT_GROUPS);
    assert_int_equal(groups.group[0].processes, 100 - (FACT_GROUPS - 1));
    assert_null(groups.group[0].facts.text[FACT_SERVICE]);
    for (uint32_t i = 1; i <= 100; i++)
        group_of(&groups, i);
    process_facts_free(&all);
}

static bool is_odd(const void *context, uint32_t pid)
{
    (void)context;
    return pid % 2;
}

static void those_that_ended_are_forgotten(void **state)
{
    struct process_facts all = {.by_pid = {.used = 0}};

    (void)state;
    set(&all, 1, "a", NULL, NULL);
    set(&all, 2, "b", NULL, NULL);
    process_facts_sweep(&all, is_odd, NULL);
    assert_string_equal(process_facts_get(&all, 1)->text[FACT_SERVICE], "a");
    assert_null(process_facts_get(&all, 2));
    process_facts_free(&all);
}

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void container_ids(void **state)
{
    static const char *const groups[] = {
        "0::/system.slice/docker-" ID ".scope\n",
        "12:cpu:/docker/" ID "\n0::/\n",
        "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope\n",
        "0::/kubepods/besteffort/pod2/" ID "\n",
        "1:name=systemd:/docker/" OTHER "/docker/" ID "\n",
        "0::/machine.slice/libpod-" ID ".scope/container\n",
        "0::/kubepods-burstable:cri-containerd:" ID "\n",
    };
    static const char *const none[] = {
        "",         "0::/\n", "0::/user.slice/session-1.scope\n", ("0::/x/" ID "0\n"), ("0::/x/" ID "x\n"),
        ("0::/" ID)};
    char id[CONTAINER_ID_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        memset(id, 'x', sizeof id);
        assert_true(container_id_of_cgroup(groups[i], id));
        assert_string_equal(id, ID);
    }
    for (size_t i = 0; i + 1 < sizeof none / sizeof *none; i++)
        assert_false(container_id_of_cgroup(none[i], id));
    assert_true(
        container_id_of_mounts("1 2 8:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw\n", id));
    assert_string_equal(id, ID);
    assert_false(
        container_id_of_mounts("1 2 8:1 /containerd/sandboxes/" ID "/hostname /etc/hostname rw\n", id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_are_told_apart_as_far_as_asked_for),
        cmocka_unit_test(groups_beyond_the_ceiling_are_one),
        cmocka_unit_test(those_that_ended_are_forgotten),
        cmocka_unit_test(container_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
