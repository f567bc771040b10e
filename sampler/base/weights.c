/* SPDX-License-Identifier: Apache-2.0 */
#include "weights.h"

#include <stdatomic.h>
#include <string.h>

#include "sampler/segment/layout.h"
#include "poison.h"

static _Atomic uint64_t counter;

static const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Mixed, because the streams of neighbouring seeds would otherwise be shifts of one another. */
void weights_seed(uint64_t seed)
{
    atomic_store_explicit(&counter, mix(seed + step), memory_order_relaxed);
}

uint64_t random_bits(void)
{
    return mix(atomic_fetch_add_explicit(&counter, step, memory_order_relaxed));
}

/* Natural logarithm of x in (0, 1]: exponent by the bits, then 2 artanh(s) of a mantissa in [0.7, 1.42). */
static double logarithm(double x)
{
    uint64_t bits;
    int exponent;
    double m, s, s2, sum = 0;

    memcpy(&bits, &x, sizeof bits);
    exponent = (int)(bits >> 52) - 1023;
    bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m /= 2;
        exponent++;
    }
    s = (m - 1) / (m + 1);
    s2 = s * s;
    for (int k = 17; k >= 1; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return exponent * 0.6931471805599453 + 2 * s * sum;
}

uint64_t random_gap(uint64_t mean)
{
    /* 53 bits, never 0: the largest gap is 36.7 means. */
    double u = (double)((random_bits() >> 11) + 1) / 9007199254740992.0;
    double gap = -logarithm(u) * (double)mean;
    return gap >= (double)INT64_MAX ? INT64_MAX : (uint64_t)gap + 1;
}

double sampling_probability(double x)
{
    int halved = 0;
    double term, sum = 0;

    if (x > 40)
        return 1;
    while (x > 0.5) {
        x /= 2;
        halved++;
    }
    /* -expm1(-x) = x - x^2/2! + x^3/3! - ... Nothing cancels, so it is exact for the smallest blocks. */
    term = x;
    for (int k = 2; k <= 14; k++) {
        sum += term;
        term *= -x / k;
    }
    for (; halved; halved--)
        sum *= 2 - sum;
    return sum;
}

uint64_t sampling_weight(uint64_t size, uint64_t mean)
{
    double p;
    if (!mean || !size)
        return UINT64_C(1) << WEIGHT_SHIFT;
    p = sampling_probability((double)size / (double)mean);
    return (uint64_t)((double)(1 << WEIGHT_SHIFT) / p + 0.5);
}

static void begin_stretch(struct strata *strata, uint64_t length, uint64_t gap)
{
    uint64_t place = (uint64_t)((unsigned __int128)random_bits() * length >> 64);
    strata->length = length;
    strata->left = gap + place;
    strata->rest = length - place;
}

uint64_t strata_pass(struct strata *strata, uint64_t span, uint64_t length)
{
    uint64_t passed = 0;

    if (__builtin_expect(!strata->length, 0))
        begin_stretch(strata, length, 0);
    while (span > strata->left) {
        span -= strata->left;
        passed += strata->length;
        begin_stretch(strata, length, strata->rest);
    }
    strata->left -= span;
    return passed;
}
