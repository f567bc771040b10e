/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table: against a plain array, with keys that collide, and removal in every order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "uploader/base/hash.h"

static void test_empty(void **state)
{
    struct hash table = {0};

    (void)state;
    assert_null(hash_get(&table, 0));
    assert_null(hash_take(&table, 0));
    hash_free(&table);
}

static void test_put_replaces(void **state)
{
    struct hash table = {0};
    int one, two;

    (void)state;
    assert_int_equal(hash_put(&table, 7, &one), 0);
    assert_int_equal(hash_put(&table, 7, &two), 0);
    assert_int_equal(table.used, 1);
    assert_ptr_equal(hash_get(&table, 7), &two);
    assert_ptr_equal(hash_take(&table, 7), &two);
    assert_null(hash_get(&table, 7));
    hash_free(&table);
}

/* Few keys, so that each is put and removed many times while its neighbours stay. */
static void test_like_an_array(void **state)
{
    enum { KEYS = 61, STEPS = 200000 };
    void *expected[KEYS] = {0};
    struct hash table = {0};
    size_t used = 0;

    (void)state;
    srandom(1);
    for (int i = 0; i < STEPS; i++) {
        size_t key = (size_t)random() % KEYS;
        if (random() % 2) {
            used += !expected[key];
            expected[key] = &expected[random() % KEYS];
            assert_int_equal(hash_put(&table, key << 32, expected[key]), 0);
        } else {
            assert_ptr_equal(hash_take(&table, key << 32), expected[key]);
            used -= expected[key] != NULL;
            expected[key] = NULL;
        }
        key = (size_t)random() % KEYS;
        assert_ptr_equal(hash_get(&table, key << 32), expected[key]);
        assert_int_equal(table.used, used);
    }
    hash_free(&table);
}

/* Three hashes only, and as many values as there are: each is found and removed by itself. */
static void test_equal_hashes(void **state)
{
    enum { VALUES = 50, HASHES = 3 };
    struct hash table = {0};
    char value[VALUES];

    (void)state;
    for (int i = 0; i < VALUES; i++)
        assert_int_equal(hash_add(&table, (uint64_t)i % HASHES, &value[i]), 0);
    for (int removed = 0; removed < VALUES; removed++) {
        for (int h = 0; h < HASHES; h++) {
            size_t cursor = 0;
            int found = 0;
            while (hash_next(&table, (uint64_t)h, &cursor))
                found++;
            assert_int_equal(found, (VALUES - h + HASHES - 1) / HASHES - (removed - h + HASHES - 1) / HASHES);
        }
        hash_remove(&table, (uint64_t)removed % HASHES, &value[removed]);
    }
    hash_remove(&table, 0, &value[0]);
    assert_int_equal(table.used, 0);
    hash_free(&table);
}

static bool keep_even(void *value, void *count)
{
    ++*(size_t *)count;
    return !((uintptr_t)value & 1);
}

/* Each is asked once, also where a run of slots goes on at the table's beginning: hashes are all of its last slots. */
static void test_sweep(void **state)
{
    enum { VALUES = 1000 };
    struct hash table = {0};
    size_t asked = 0, cursor = 0, left = 0;
    void *value;

    (void)state;
    for (uintptr_t i = 1; i <= VALUES; i++)
        assert_int_equal(hash_add(&table, UINT64_MAX - i % 7, (void *)i), 0);
    hash_sweep(&table, keep_even, &asked);
    assert_int_equal(asked, VALUES);
    while ((value = hash_each(&table, &cursor))) {
        assert_false((uintptr_t)value & 1);
        left++;
    }
    assert_int_equal(left, VALUES / 2);
    assert_int_equal(table.used, left);
    hash_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_put_replaces),
        cmocka_unit_test(test_like_an_array), cmocka_unit_test(test_equal_hashes),
        cmocka_unit_test(test_sweep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
