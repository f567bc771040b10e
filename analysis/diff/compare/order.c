/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include <math.h>
#include <stdlib.h>

/* Significant ones first, by their size. */
static int by_change(const struct change *a, const struct change *b)
{
    double one = fabs(a->delta), other = fabs(b->delta);

    if (a->significant != b->significant)
        return a->significant ? -1 : 1;
    return (one < other) - (one > other);
}

/* 0: it changed itself; 1: what it calls did; 2: it is just above what did; 3: nothing. */
static int rank_of(const struct compared_function *function)
{
    if (function->own_change.significant)
        return 0;
    return !function->cumulative_change.significant ? 3 : function->is_whole ? 2 : 1;
}

static int by_function(const void *left, const void *right)
{
    const struct compared_function *a = left, *b = right;
    int order = rank_of(a) - rank_of(b);

    if (!order && rank_of(a) != 1)
        order = by_change(&a->own_change, &b->own_change);
    if (!order)
        order = by_change(&a->cumulative_change, &b->cumulative_change);
    return order ? order : (a->function > b->function) - (a->function < b->function);
}

static int by_stack(const void *left, const void *right)
{
    const struct compared_stack *a = left, *b = right;
    int order = by_change(&a->change, &b->change);

    return order ? order : (a->stack > b->stack) - (a->stack < b->stack);
}

void order_functions(struct compared_function *function, size_t count)
{
    if (count)
        qsort(function, count, sizeof *function, by_function);
}

void order_stacks(struct compared_stack *stack, size_t count)
{
    if (count)
        qsort(stack, count, sizeof *stack, by_stack);
}
