/* SPDX-License-Identifier: Apache-2.0 */
/* What cprof doctor makes of files and of texts that it reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/doctor/checks.h"
#include "analysis/doctor/doctor.h"
#include "analysis/doctor/examination/examination.h"

static void test_environment(void **state)
{
    static const char title[] = "nginx: worker process\0\0\0\0", list[] = "PATH=/bin\0A=";

    (void)state;
    assert_true(process_environment_is_whole("", 0)); /* env -i */
    assert_true(process_environment_is_whole(list, sizeof list));
    assert_false(process_environment_is_whole(title, sizeof title - 1));
    assert_false(process_environment_is_whole("\0\0\0", 3));
    assert_false(process_environment_is_whole("worker: a=b", 12));
}

static void test_findings(void **state)
{
    struct findings findings = {0};
    char *text = NULL;
    size_t size;
    FILE *out;

    (void)state;
    assert_int_equal(findings_status(&findings), 0);
    findings_add(&findings, FINDING_WELL, "a", "fine");
    findings_add(&findings, FINDING_NOTE, "b", "a note");
    assert_int_equal(findings_status(&findings), 0);
    assert_false(findings_have(&findings, "a"));
    findings_add(&findings, FINDING_MISSING, "c", "lost \x1b[31m%d\nset it", 5);
    findings_add(&findings, FINDING_MISSING, "c", "lost \x1b[31m%d\nset it", 5);
    assert_int_equal(findings_status(&findings), 1);
    findings_add(&findings, FINDING_STOPS, "d", "stopped\n");
    assert_int_equal(findings_status(&findings), 2);
    assert_true(findings_have(&findings, "c"));
    out = open_memstream(&text, &size);
    findings_print(&findings, "x", (struct findings_style){0}, out);
    fclose(out);
    assert_string_equal(
        text, "x: cannot be profiled\nstops    stopped\nmissing  lost ?[31m5. set it\nnote     a note\n");
    free(text);
    out = open_memstream(&text, &size);
    findings_print_json(&findings, "xy", out);
    fclose(out);
    assert_non_null(strstr(text, "{\"subject\":\"xy\",\"status\":2,"));
    assert_non_null(strstr(
        text, "{\"level\":\"missing\",\"check\":\"c\",\"text\":\"lost ?[31m5\",\"remedy\":\"set it\"}"));
    free(text);
    findings_free(&findings);
}

static int file_of(const char *text, size_t size)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    assert_int_equal(write(fd, text, size), size);
    return fd;
}

static void read_text(const char *text, size_t size, struct binary *binary)
{
    int fd = file_of(text, size);
    assert_int_equal(binary_read(binary, fd, false), 0);
    close(fd);
}

static void test_scripts(void **state)
{
    struct binary binary;

    (void)state;
    read_text("#! /usr/bin/env  python3 -u\nx", 30, &binary);
    assert_int_equal(binary.kind, BINARY_SCRIPT);
    assert_string_equal(binary.script, "/usr/bin/env");
    assert_string_equal(binary.script_argument, "python3 -u");
    read_text("#!/bin/sh", 9, &binary);
    assert_string_equal(binary.script, "/bin/sh");
    assert_string_equal(binary.script_argument, "");
    read_text("#!\n", 3, &binary);
    assert_int_equal(binary.kind, BINARY_OTHER);
    read_text("", 0, &binary);
    assert_int_equal(binary.kind, BINARY_OTHER);
}

static void test_other_machines(void **state)
{
    char head[64] = "\177ELF\1\1\1";
    struct binary binary;

    (void)state;
    head[18] = EM_386;
    read_text(head, sizeof head, &binary);
    assert_int_equal(binary.kind, BINARY_ELF);
    assert_false(binary.is_ours);
    assert_int_equal(binary.bits, 32);
    assert_int_equal(binary.machine, EM_386);
    head[4] = ELFCLASS64;
    head[5] = ELFDATA2MSB;
    head[18] = 0;
    head[19] = EM_PPC64;
    read_text(head, sizeof head, &binary);
    assert_int_equal(binary.machine, EM_PPC64);
    assert_false(binary.is_ours);
}

/* sleep is linked dynamically to glibc, and to no sanitizer, as this program may be. */
static void test_verdict(void **state)
{
    char path[PATH_MAX], reason[DOCTOR_REASON];

    (void)state;
    assert_int_equal(doctor_verdict("/bin/sleep", path, reason), DOCTOR_FINE);
    assert_int_equal(strncmp(reason, "glibc 2.", 8), 0);
    assert_int_equal(doctor_verdict("/nowhere/program", path, reason), DOCTOR_NOT_FOUND);
    assert_non_null(strstr(reason, "/nowhere/program"));
    assert_int_equal(doctor_verdict("/etc/passwd", path, reason), DOCTOR_NOT_RUNNABLE);
    assert_int_equal(doctor_verdict("", path, reason), DOCTOR_NOT_FOUND);
}

static void judge(struct examination *examination, const struct usage *usage, bool is_started)
{
    findings_free(&examination->findings);
    examination->check = "limits";
    limits_judge(examination, usage, is_started);
}

static void test_limits(void **state)
{
    static struct examination examination;
    struct usage usage = {.threads = 3,
                          .files = 10,
                          .pending_limit = UINT64_MAX,
                          .files_limit = 1024,
                          .size_limit = UINT64_MAX,
                          .address_limit = UINT64_MAX,
                          .processes_limit = UINT64_MAX};

    (void)state;
    judge(&examination, &usage, false);
    assert_int_equal(examination.findings.count, 0);
    usage.pending = 2;
    usage.pending_limit = 4; /* three threads need as many */
    judge(&examination, &usage, false);
    assert_int_equal(findings_status(&examination.findings), 1);
    usage.pending_limit = 5;
    judge(&examination, &usage, false);
    assert_int_equal(examination.findings.count, 0);
    usage.size_limit = sizeof(struct segment) - 1;
    judge(&examination, &usage, false);
    assert_int_equal(findings_status(&examination.findings), 2);
    judge(&examination, &usage, true); /* it has its segment */
    assert_int_equal(examination.findings.count, 0);
    usage.size_limit = sizeof(struct segment);
    usage.files_limit = 11;
    judge(&examination, &usage, false);
    assert_int_equal(findings_status(&examination.findings), 1);
    usage.files_limit = 12;
    usage.address_limit = sizeof(struct segment);
    judge(&examination, &usage, false);
    assert_int_equal(findings_status(&examination.findings), 2);
    findings_free(&examination.findings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environment), cmocka_unit_test(test_findings),
        cmocka_unit_test(test_scripts),     cmocka_unit_test(test_other_machines),
        cmocka_unit_test(test_verdict),     cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
