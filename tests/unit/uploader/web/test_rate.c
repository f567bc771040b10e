/* SPDX-License-Identifier: Apache-2.0 */
/* How much one client may ask for, by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "uploader/base/clock.h"
#include "uploader/web/rate.h"

static struct address client(unsigned n)
{
    return (struct address){
        .byte = {[10] = 0xff, [11] = 0xff, 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static unsigned granted(struct rate *rate, const struct address *address, unsigned tries, int64_t now_ns)
{
    unsigned count = 0;
    for (unsigned i = 0; i < tries; i++)
        count += rate_take(rate, address, now_ns) == 0;
    return count;
}

static void so_many_a_second(void **state)
{
    struct rate rate = {.requests = 10};
    const struct address a = client(1), b = client(2);

    (void)state;
    assert_int_equal(granted(&rate, &a, 100, SECOND_NS), 10); /* a second's worth at first */
    assert_int_equal(granted(&rate, &b, 100, SECOND_NS), 10); /* each client has its own */
    assert_int_equal(granted(&rate, &a, 100, 2 * SECOND_NS), 10);
    assert_int_equal(granted(&rate, &a, 100, 100 * SECOND_NS), 10);
    assert_int_equal(rate_take(&rate, &a, 100 * SECOND_NS), 1);
    assert_int_equal(granted(&rate, &a, 1, 50 * SECOND_NS), 0); /* the clock does not go back */
}

static void no_limit(void **state)
{
    struct rate rate = {.requests = 0};
    struct rate_credit credit = {0};
    const struct address a = client(1);

    (void)state;
    assert_int_equal(granted(&rate, &a, 10000, SECOND_NS), 10000);
    rate_charge(&rate, &a, 100 * SECOND_NS, false);
    assert_int_equal(granted(&rate, &a, 1, SECOND_NS), 1);
    assert_int_equal(rate_take_one(&rate, &credit, SECOND_NS), 0);
}

static void cpu_time_counts(void **state)
{
    struct rate rate = {.requests = 10};
    const struct address a = client(1);
    const int64_t now = monotonic_ns();

    (void)state;
    assert_int_equal(rate_take(&rate, &a, now), 0);
    rate_charge(&rate, &a, 3 * SECOND_NS, false);
    assert_in_range(rate_take(&rate, &a, now + SECOND_NS), 3, 6);
    assert_int_equal(rate_take(&rate, &a, now + 7 * SECOND_NS), 0);
    rate_charge(&rate, &a, 1000 * SECOND_NS, false);
    assert_in_range(rate_take(&rate, &a, now + 7 * SECOND_NS), 9, 11); /* a debt has an end */
}

static void errors_are_free(void **state)
{
    struct rate rate = {.requests = 10};
    const struct address a = client(1);
    const int64_t now = monotonic_ns();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_take(&rate, &a, now), 0);
        rate_charge(&rate, &a, 0, true);
    }
}

/* An attacker with many addresses gets no more than the table has room for. */
static void many_addresses(void **state)
{
    struct rate rate = {.requests = 10};
    unsigned count = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        const struct address a = client(i);
        count += granted(&rate, &a, 1, SECOND_NS + i);
    }
    assert_in_range(count, RATE_CLIENTS, RATE_CLIENTS * 10);
    for (unsigned i = 0; i < 1000; i++) { /* all addresses of a network of IPv6 are one client */
        const struct address a = {.byte = {0x20, 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}};
        rate_take(&rate, &a, 500 * SECOND_NS);
    }
    const struct address b = {.byte = {0x20, 1, [9] = 7}};
    assert_int_not_equal(rate_take(&rate, &b, 500 * SECOND_NS), 0);
}

static void one_connection(void **state)
{
    struct rate rate = {.requests = 100};
    struct rate_credit credit = {0};
    unsigned count = 0;

    (void)state;
    for (int i = 0; i < 100; i++)
        count += rate_take_one(&rate, &credit, SECOND_NS) == 0;
    assert_int_equal(count, RATE_IN_A_ROW);
    assert_int_equal(rate_take_one(&rate, &credit, 2 * SECOND_NS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_a_second), cmocka_unit_test(no_limit),
        cmocka_unit_test(cpu_time_counts),  cmocka_unit_test(errors_are_free),
        cmocka_unit_test(many_addresses),   cmocka_unit_test(one_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
