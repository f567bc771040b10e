/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper against an uploader that behaves badly: this program, executed again by the keeper in the place
 * of one. How its n-th life ends is the n-th letter of $PLAN; what it was handed goes to the file $REPORT.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/handover/keeper.h"

enum { TARGETS = 300 };

static int life(void)
{
    struct keeper keeper;
    struct handover handover;
    const char *plan = getenv("PLAN");
    uint64_t number, victim = 0;
    unsigned kept = 0, dropped = 0;
    int report;

    if (!plan || keeper_open(&keeper, KEEPER_CONTROL_FD))
        return 1;
    /* The page has room beyond what the two sides use. */
    number = ++((uint64_t *)keeper.board)[500];
    while (keeper.has_more) {
        struct pollfd ready = {.fd = keeper.control, .events = POLLIN};
        int rc;
        poll(&ready, 1, 1000);
        rc = keeper_next(&keeper, &handover);
        if (!rc) {
            kept++;
            victim = handover.id > victim ? handover.id : victim;
            if (fcntl(handover.memfd, F_GETFD) == -1)
                return 1;
            handover.has_files = true;
            handover_close(&handover);
        } else if (rc == -ENOMSG && keeper.has_more) {
            dropped++;
        }
    }
    report = open(getenv("REPORT"), O_WRONLY | O_APPEND | O_CLOEXEC);
    dprintf(report, "%u %u\n", kept, dropped);
    switch (number <= strlen(plan) ? plan[number - 1] : 'e') {
    case 'c': /* crashes while it reads the newest one */
        keeper_touch(victim);
        raise(SIGABRT);
        return 1;
    case 'k': /* is killed while it reads it */
        keeper_touch(victim);
        raise(SIGKILL);
        return 1;
    case 'r': /* releases one */
        keeper_send(&keeper, KEEPER_RELEASE, victim);
        raise(SIGKILL);
        return 1;
    default:
        keeper_done(&keeper);
        return 0;
    }
}

/* What the lives of this plan report, of so many targets. */
static void run_plan(const char *plan, unsigned targets, char *report, size_t size)
{
    char path[] = "/tmp/cprof-test-XXXXXX";
    int file = mkstemp(path), memfd = memfd_create("test", MFD_CLOEXEC);
    struct keeper keeper;
    ssize_t got;

    setenv("PLAN", plan, 1);
    setenv("REPORT", path, 1);
    assert_int_equal(keeper_open(&keeper, -1), 0);
    assert_int_equal(keeper_start(&keeper, -1), 0);
    for (unsigned i = 0; i < targets; i++) {
        struct handover handover = HANDOVER_NONE;
        handover.pid = 1;
        handover.memfd = memfd;
        handover.id = keeper_new_id(&keeper);
        while (!keeper_hold(&keeper, &handover))
            usleep(1000);
    }
    keeper_close(&keeper); /* we die, without a word */
    assert_int_equal(waitpid(keeper.pid, NULL, 0), keeper.pid);
    got = read(file, report, size - 1);
    report[got > 0 ? got : 0] = 0;
    close(file);
    unlink(path);
    close(memfd);
}

/* The keeper is looked for beside the program that starts it. */
static int put_beside(void **state)
{
    char path[4096], target[] = "../../../../cprof-keeper";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 64);

    (void)state;
    path[length > 0 ? length : 0] = 0;
    strcpy(strrchr(path, '/'), "/cprof-keeper");
    return symlink(target, path) && errno != EEXIST;
}

static void all_is_handed_on(void **state)
{
    char report[4096];
    (void)state;
    run_plan("ke", TARGETS, report, sizeof report);
    assert_string_equal(report, "300 0\n300 0\n");
}

static void what_was_released_is_gone(void **state)
{
    char report[4096];
    (void)state;
    run_plan("rre", 3, report, sizeof report);
    assert_string_equal(report, "3 0\n2 0\n1 0\n");
}

/* Who kills from outside says nothing about the target that was read. */
static void a_target_that_crashes_uploaders_is_given_up(void **state)
{
    char report[4096];
    (void)state;
    run_plan("kkccce", 2, report, sizeof report);
    assert_string_equal(report, "2 0\n2 0\n2 0\n2 0\n2 0\n1 1\n");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_handed_on),
        cmocka_unit_test(what_was_released_is_gone),
        cmocka_unit_test(a_target_that_crashes_uploaders_is_given_up),
    };
    if (argc > 1 && !strcmp(argv[1], "serve"))
        return life();
    return cmocka_run_group_tests(tests, put_beside, NULL);
}
