/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of /proc: as kernels write them, with names that look like fields, and cut anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/process/proc_text.h"

#define FIELDS "17 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1000 50 18446744073709551615 4096 5000 140736"

static void stat_takes_any_name(void **state)
{
    static const char *const names[] = {"a", "", ")", "(", ") R 5 (", "a\nb", "a) S 1 2 3", "\xff\t("};
    char text[300];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct proc_stat stat;
        snprintf(text, sizeof text, "42 (%s) D " FIELDS "\n", names[i]);
        assert_true(proc_stat_parse(text, &stat));
        assert_string_equal(stat.name, names[i]);
        assert_int_equal(stat.letter, 'D');
        assert_int_equal(stat.parent, 17);
        assert_int_equal(stat.flags, 4194560);
        assert_int_equal(stat.code, 4096);
        assert_int_equal(stat.stack, 140736);
    }
}

static void stat_of_ourselves(void **state)
{
    char before[17], text[1024];
    struct proc_stat stat;

    (void)state;
    prctl(PR_GET_NAME, before);
    prctl(PR_SET_NAME, "x\n) R 1 (");
    assert_true(proc_read("/proc/self/stat", text, sizeof text) > 0);
    prctl(PR_SET_NAME, before);
    assert_true(proc_stat_parse(text, &stat));
    assert_string_equal(stat.name, "x\n) R 1 (");
    assert_int_equal(stat.letter, 'R');
    assert_int_equal(stat.parent, getppid());
}

static void what_is_no_stat_is_refused(void **state)
{
    static const char *const texts[] = {"",
                                        "42",
                                        "42 (a",
                                        "42 (a)",
                                        "42 (a) ",
                                        "42 (a) S",
                                        "42 (a) S ",
                                        "42 )a( S 1 2 3 4 5 6",
                                        "42 (a) SS 1 2 3 4 5 6",
                                        "42 (a) S 1 2 3 4 5",
                                        "42 (a) S x"};
    struct proc_stat stat = {.letter = 'q'};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(proc_stat_parse(texts[i], &stat));
    assert_int_equal(stat.letter, 'q');
}

static void calls(void **state)
{
    static const struct {
        const char *text;
        struct proc_call call;
    } rows[] = {
        {"running\n", {true, -1, 0, 0}},
        {"0 0x3 0x7f 0x400 0x0 0x0 0x0 0x7ffd1230 0x7f0cafe0\n", {false, 0, 0x7ffd1230, 0x7f0cafe0}},
        {"228 0x1 0x2 0x0 0x0 0x0 0x0 0xfff 0xeee", {false, 228, 0xfff, 0xeee}},
        {"-1 0x7ffd1230 0x7f0cafe0\n", {false, -1, 0x7ffd1230, 0x7f0cafe0}},
        {"5", {false, 5, 0, 0}},
    };
    struct proc_call call;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(proc_call_parse(rows[i].text, &call));
        assert_int_equal(call.running, rows[i].call.running);
        assert_int_equal(call.number, rows[i].call.number);
        assert_int_equal(call.sp, rows[i].call.sp);
        assert_int_equal(call.pc, rows[i].call.pc);
    }
    assert_false(proc_call_parse("", &call));
    assert_false(proc_call_parse("x 1 2", &call));
}

static void numbers(void **state)
{
    int number = 0;
    int64_t cpu, queued;

    (void)state;
    assert_true(proc_number_parse("Name:\tPid:\nPid:\t42\n", "Pid", &number));
    assert_int_equal(number, 42);
    assert_true(proc_number_parse("pos:\t0\nNSpid:\t42\t7\t1\nx:\t5", "NSpid", &number));
    assert_int_equal(number, 1);
    assert_true(proc_number_parse("Pid:\t-1", "Pid", &number));
    assert_int_equal(number, -1);
    assert_false(proc_number_parse("", "Pid", &number));
    assert_false(proc_number_parse("Pid:", "Pid", &number));
    assert_false(proc_number_parse("Pid:\t\n3", "Pid", &number));
    assert_false(proc_number_parse("Pid:\t99999999999", "Pid", &number));
    assert_false(proc_number_parse("xPid:\t3", "Pid", &number));
    assert_true(proc_schedstat_parse("1500 20 3\n", &cpu, &queued));
    assert_int_equal(cpu, 1500);
    assert_int_equal(queued, 20);
    assert_false(proc_schedstat_parse("1500", &cpu, &queued));
    assert_false(proc_schedstat_parse("1500 99999999999999999999", &cpu, &queued));
}

static void mappings(void **state)
{
    char line[] = "7f00-7f80 r-xp 00001000 fe:01 1234                       /lib/a b (deleted)\n";
    char anonymous[] = "10-20 rw-p 00000000 00:00 0 \n", path_of_spaces[] = "10-20 rw-p 0 00:00 0   /  x";
    static const char *const wrong[] = {
        "", "7f00", "7f00-7f80", "7f00-7f80 r-x 0 0:0 0 /x", "g-h r-xp 0 0:0 0 /x", "7f00-7f80 r-xp 0 0:0"};
    struct proc_mapping mapping;

    (void)state;
    assert_true(proc_mapping_parse(line, &mapping));
    assert_int_equal(mapping.start, 0x7f00);
    assert_int_equal(mapping.end, 0x7f80);
    assert_int_equal(mapping.offset, 0x1000);
    assert_int_equal(mapping.inode, 1234);
    assert_int_equal(mapping.device, makedev(0xfe, 1));
    assert_string_equal(mapping.flags, "r-xp");
    assert_string_equal(mapping.path, "/lib/a b (deleted)");
    assert_true(proc_mapping_parse(anonymous, &mapping));
    assert_string_equal(mapping.path, "");
    assert_true(proc_mapping_parse(path_of_spaces, &mapping));
    assert_string_equal(mapping.path, "/  x");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char copy[100];
        strcpy(copy, wrong[i]);
        assert_false(proc_mapping_parse(copy, &mapping));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stat_takes_any_name),
        cmocka_unit_test(stat_of_ourselves),
        cmocka_unit_test(what_is_no_stat_is_refused),
        cmocka_unit_test(calls),
        cmocka_unit_test(numbers),
        cmocka_unit_test(mappings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
