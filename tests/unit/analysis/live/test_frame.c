/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a session that is watched: lines, profiles in pieces, and what makes no sense. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "analysis/live/frame.h"

static char error[256];

static int take(struct frame *frame, const char *message)
{
    *error = 0;
    return frame_take(frame, message, strlen(message), error);
}

static void a_frame(void **state)
{
    struct frame frame = {0};

    (void)state;
    assert_int_equal(take(&frame, "1session\t@x\t7\t1.0\t1000\ton\nframe\t5000\t7000\t"), 0);
    assert_int_equal(take(&frame,
                          "1111\t22\t33\nprogram\t3\tapp\tshop\tk=v\t2\t4\t5\t6\t7\t8\t9\tcpu 2 times rarer\n"
                          "loss\t\t4\tof the session\nloss\t3\t5\tof it\nnews\tof\ttomorrow\n"
                          "process\t12\t3\t4\t5\t6\t7\t8\tcpu=100\ntotal\t3\tcpu\t1\t2\ntotal\t9\tcpu\t1\n"),
                     0);
    assert_int_equal(take(&frame, "p3\tcpu\twhole\t1\t2\t6"), 0);
    assert_int_equal(take(&frame, "dabc"), 0);
    assert_int_equal(take(&frame, "ddef"), 0);
    assert_int_equal(take(&frame, "p3\tmutex\tinterval\t1\t2\t0"), 0);
    assert_int_equal(take(&frame, "?of a newer version"), 0);
    assert_int_equal(take(&frame, "=0"), 1);
    assert_string_equal(frame.session, "@x");
    assert_int_equal(frame.end_ms - frame.start_ms, 2000);
    assert_int_equal(frame.own_cpu_ns, 111);
    assert_int_equal(frame.programs, 1);
    assert_string_equal(frame.program[0].lowered, "cpu 2 times rarer");
    assert_int_equal(frame.program[0].total[KIND_ID_CPU][1], 2);
    assert_int_equal(frame.process[0].start_ms, 8);
    assert_int_equal(frame.losses, 2);
    assert_int_equal(frame.loss[0].program, -1);
    assert_int_equal(frame.parts, 2);
    assert_int_equal(frame.part[0].size, 6);
    assert_memory_equal(frame.part[0].data, "abcdef", 6);
    assert_true(frame.part[0].is_whole);
    assert_int_equal(frame.part[1].kind, KIND_ID_MUTEX);
    assert_null(frame_find(&frame, 4));
    frame_free(&frame);
}

static void what_makes_no_sense(void **state)
{
    static const char *const messages[][2] = {
        {"=0", NULL},
        {"1x\n", "=0"},
        {"1session\t@x\nframe\t9\t8\n", "=0"},
        {"dabc", NULL},
        {"pno\tsuch\tkind", NULL},
        {"p0\tfrob\twhole\t1\t2\t3", NULL},
    };
    struct frame frame = {0};
    char *large = malloc(300000);

    (void)state;
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        int rc = take(&frame, messages[i][0]);
        if (messages[i][1])
            rc = take(&frame, messages[i][1]);
        assert_int_equal(rc, -EPROTO);
        frame_free(&frame);
    }
    assert_int_equal(frame_take(&frame, "", 0, error), -EPROTO);
    memset(large, 'p', 300000);
    assert_int_equal(frame_take(&frame, large, 300000, error), -EPROTO);
    memset(large, 'x', 300000);
    *large = '1';
    for (int i = 0; i < FRAME_TEXT / 300000; i++)
        assert_int_equal(frame_take(&frame, large, 300000, error), 0);
    assert_int_equal(frame_take(&frame, large, 300000, error), -E2BIG);
    frame_free(&frame);
    free(large);
}

static void refusals(void **state)
{
    struct frame frame = {0};

    (void)state;
    assert_int_equal(take(&frame, "2there is no process 5"), 0);
    assert_int_equal(frame_take(&frame, "=3", 2, error), -EREMOTEIO);
    assert_string_equal(error, "there is no process 5");
    *error = 0;
    assert_int_equal(frame_take(&frame, "=1", 2, error), -EREMOTEIO);
    assert_string_not_equal(error, "");
    frame_free(&frame);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame),
        cmocka_unit_test(what_makes_no_sense),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
