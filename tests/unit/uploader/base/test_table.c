/* SPDX-License-Identifier: Apache-2.0 */
/* Tables by number: against a plain array, with keys that collide, and removal in every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdlib.h>
#include <cmocka.h>

#include "uploader/base/table.h"

static void test_empty(void **state)
{
    struct table table = {0};

    (void)state;
    assert_null(table_get(&table, 0));
    assert_null(table_remove(&table, 0));
    table_free(&table);
}

static void test_put_replaces(void **state)
{
    struct table table = {0};
    int one, two;

    (void)state;
    assert_int_equal(table_put(&table, 7, &one), 0);
    assert_int_equal(table_put(&table, 7, &two), 0);
    assert_int_equal(table.used, 1);
    assert_ptr_equal(table_get(&table, 7), &two);
    assert_ptr_equal(table_remove(&table, 7), &two);
    assert_null(table_get(&table, 7));
    table_free(&table);
}

/* Few keys, so that each is put and removed many times while its neighbours stay. */
static void test_like_an_array(void **state)
{
    enum { KEYS = 61, STEPS = 200000 };
    void *expected[KEYS] = {0};
    struct table table = {0};
    size_t used = 0;

    (void)state;
    srandom(1);
    for (int i = 0; i < STEPS; i++) {
        size_t key = (size_t)random() % KEYS;
        if (random() % 2) {
            used += !expected[key];
            expected[key] = &expected[random() % KEYS];
            assert_int_equal(table_put(&table, key << 32, expected[key]), 0);
        } else {
            assert_ptr_equal(table_remove(&table, key << 32), expected[key]);
            used -= expected[key] != NULL;
            expected[key] = NULL;
        }
        key = (size_t)random() % KEYS;
        assert_ptr_equal(table_get(&table, key << 32), expected[key]);
        assert_int_equal(table.used, used);
    }
    table_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_put_replaces),
        cmocka_unit_test(test_like_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
