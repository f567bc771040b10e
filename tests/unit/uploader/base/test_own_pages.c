/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of code and constants are given back, and come back when they are used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "uploader/base/own_pages.h"

static const char constants[1 << 20] = {[4096] = 'a', [(1 << 20) - 1] = 'z'};

static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (kib < 0 && fgets(line, sizeof line, file))
        sscanf(line, "RssFile: %ld", &kib);
    fclose(file);
    return kib;
}

static unsigned sum_constants(void)
{
    unsigned sum = 0;

    for (size_t i = 0; i < sizeof constants; i++)
        sum += ((const volatile char *)constants)[i];
    return sum;
}

static void pages_go_and_come_back(void **state)
{
    const unsigned sum = sum_constants();
    const long before = resident_kib();

    (void)state;
    assert_int_equal(sum, 'a' + 'z');
    own_pages_give_back();
    assert_in_range(resident_kib(), 0, before - 1000);
    assert_int_equal(sum_constants(), sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_go_and_come_back)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
