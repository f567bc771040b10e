/* SPDX-License-Identifier: Apache-2.0 */
#include "rows.h"

#include <stdlib.h>

/*
 * Values are first added up over the tree: what a node and all below it has. A function's cumulative value is then the
 * sum over its nodes that are not below another node of the same function. A node knows that by going up to the root.
 * That is as long as stacks are deep, but once per node and not per sample.
 */
static bool is_outermost(const struct read_profile *profile, uint32_t node)
{
    uint32_t function = profile->frame[profile->node[node].frame].function;

    for (uint32_t up = profile->node[node].parent; up; up = profile->node[up].parent)
        if (profile->frame[profile->node[up].frame].function == function)
            return false;
    return true;
}

struct read_row *read_rows(const struct read_profile *profile, const int64_t *weight)
{
    struct read_row *row = calloc(profile->functions + 1, sizeof *row);
    int64_t *below = calloc(profile->nodes, sizeof *below);

    if (!row || !below) {
        free(row);
        free(below);
        return NULL;
    }
    for (size_t i = 0; i < profile->samples; i++) {
        uint32_t node = profile->sample[i].node;
        below[node] += weight[i];
        if (node)
            row[profile->frame[profile->node[node].frame].function].own += weight[i];
    }
    for (size_t node = profile->nodes - 1; node > 0; node--) {
        struct read_row *of = &row[profile->frame[profile->node[node].frame].function];
        below[profile->node[node].parent] += below[node];
        if (below[node] && is_outermost(profile, (uint32_t)node))
            of->cumulative += below[node];
    }
    free(below);
    return row;
}

struct read_row *read_type_rows(const struct read_profile *profile, unsigned type)
{
    int64_t *weight = malloc((profile->samples + 1) * sizeof *weight);
    struct read_row *row;

    if (!weight)
        return NULL;
    for (size_t i = 0; i < profile->samples; i++)
        weight[i] = profile->value[i * profile->types + type];
    row = read_rows(profile, weight);
    free(weight);
    return row;
}
